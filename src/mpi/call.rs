//! A reduction over the ranks: agree, pass the columns by, finish.

use super::columns::{Columns, copied};
use super::ranks::Ranks;
use crate::alias::Category;
use crate::dtype::Element;
use crate::error::{Error, ErrorKind};
use crate::kernel::{Kernel, Passing, Shape, allocate};
use crate::launch::{Indices, Out};
use crate::view::{View, ViewMut};
use ::mpi::topology::Communicator;
use std::ops::Range;
use zerocopy::IntoBytes;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Values,
    /// Indices in the dtype.
    InDtype,
    Indices,
    Both,
}

/// What this rank asks for.
#[derive(Clone, Copy)]
pub(super) struct Call<'a, T> {
    pub(super) kernel: &'a Kernel<T>,
    pub(super) args: &'a [View<'a, T>],
    pub(super) wanted: Wanted,
}

/// Results of this rank's rows; what was not asked for is empty.
pub(super) struct Results<T> {
    pub(super) rows: usize,
    pub(super) values: Vec<T>,
    pub(super) indices: Vec<i64>,
}

/// Everything that can be missing, made before the ranks agree to go on.
struct Ready<'a, T> {
    passing: Passing<'a, T>,
    columns: Columns<'a, T>,
    results: Results<T>,
}

/// Devices have no digest of how they accumulate, so a call on one does not come so far.
const DOES_NOT_FAIL: &str = "CPU engines do not fail";

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of a count.
const COUNT: usize = size_of::<u64>();

impl<'a, T: Element> Call<'a, T> {
    /// Every rank's call, together.
    pub(super) fn run(self, world: &dyn Communicator) -> Result<Results<T>, Error> {
        let ranks = &Ranks::new(world);
        let parts = ranks.agree(self.part(), DIGEST + 2 * COUNT)?;
        ranks.same(parts.iter().map(|part| &part[..DIGEST]), || self.description())?;
        let (rows, all_rows) = self.axis(true, &parts, |part| &part[DIGEST..][..COUNT])?;
        let (columns, all) = self.axis(false, &parts, |part| &part[DIGEST + COUNT..])?;
        let shape = Shape { rows: all_rows, columns: all };

        let own = rows[ranks.own()].clone();
        let ready = self.ready(shape, own.len(), columns);
        let (digests, len) = (self.digests(shape), (1 + self.parameters().count()) * DIGEST);
        let (ready, said) = match (ready, digests) {
            (Ok(ready), Ok(digests)) => (Some(ready), Ok(digests)),
            (Err(error), _) | (_, Err(error)) => (None, Err(error)),
        };
        let said = ranks.agree(said, len)?;
        let digest = |k: usize| said.iter().map(move |digests| &digests[k * DIGEST..][..DIGEST]);
        ranks.same(digest(0), || format!("genred {}", env!("CARGO_PKG_VERSION")))?;
        for (k, (name, view)) in self.parameters().enumerate() {
            ranks.same(digest(1 + k), || format!("{} as parameter `{name}`", shown(view)))?;
        }

        // From here on nothing fails but by a panic, which ends the job.
        let Ready { mut passing, mut columns, mut results } = ready.expect("every rank is ready");
        passing.begin(own).expect(DOES_NOT_FAIL);
        for first in (0..all).step_by(columns.step) {
            let piece = first..all.min(first + columns.step);
            columns.pass(ranks, &piece);
            passing.more(&columns.views(self.args), piece, None).expect(DOES_NOT_FAIL);
        }
        let out = results.out(self.kernel.dim(), self.wanted).expect("results have these lengths");
        passing.finish(&columns.views(self.args), out).expect(DOES_NOT_FAIL);
        Ok(results)
    }

    /// This rank's part: digest of the kernel, rows, columns.
    fn part(&self) -> Result<Vec<u8>, Error> {
        match self.wanted {
            Wanted::Values | Wanted::InDtype => {}
            Wanted::Indices => self.kernel.check_gives_indices()?,
            Wanted::Both => self.kernel.check_gives_both()?,
        }
        let Shape { rows, columns } = self.kernel.check(self.args)?;
        let identity = format!("{}|{}", self.identity(), self.description());
        let mut part = blake3::hash(identity.as_bytes()).as_bytes().to_vec();
        part.extend((rows as u64).to_le_bytes());
        part.extend((columns as u64).to_le_bytes());
        Ok(part)
    }

    /// What the result depends on besides arrays.
    fn identity(&self) -> String {
        let plan = self.kernel.plan();
        let formula = plan.formula.canonical_text();
        format!("{formula}|{:?}|{:?}|{}|{:?}", plan.rows, plan.scheme, plan.float, self.wanted)
    }

    /// The kernel, for people.
    fn description(&self) -> String {
        let plan = self.kernel.plan();
        let alias =
            |v: &crate::alias::Variable| format!("`{} = {}({})`", v.name, v.category.text(), v.dim);
        let aliases: Vec<String> = plan.formula.variables.iter().map(alias).collect();
        format!(
            "{} of `{}` of `{}` of {}, {}",
            match self.wanted {
                Wanted::Values => "values",
                Wanted::InDtype | Wanted::Indices => "indices",
                Wanted::Both => "values and indices",
            },
            plan.reduction.name(),
            plan.text,
            T::DTYPE,
            aliases.join(", "),
        )
    }

    /// Which points of an axis the ranks have, and how many there are in all.
    fn axis(
        &self,
        rows: bool,
        parts: &[Vec<u8>],
        count: impl Fn(&Vec<u8>) -> &[u8],
    ) -> Result<(Vec<Range<usize>>, usize), Error> {
        let plan = self.kernel.plan();
        let is_of = |category| category != Category::Param && (category == plan.rows) == rows;
        if !plan.formula.variables.iter().any(|variable| is_of(variable.category)) {
            // One point, which is nobody's.
            return Ok((vec![0..1; parts.len()], 1));
        }
        let mut all = 0usize;
        let mut ranges = Vec::new();
        for part in parts {
            let first = all;
            let bytes = count(part).try_into().expect("a count");
            let count = usize::try_from(u64::from_le_bytes(bytes)).ok();
            all = count.and_then(|count| all.checked_add(count)).ok_or_else(|| {
                Error::new(ErrorKind::Limit, "the points of all ranks are too many to be counted")
            })?;
            ranges.push(first..all);
        }
        Ok((ranges, all))
    }

    /// Have everything that `rows` rows of a reduction of a shape need.
    fn ready(
        &self,
        shape: Shape,
        rows: usize,
        parts: Vec<Range<usize>>,
    ) -> Result<Ready<'a, T>, Error> {
        let Call { kernel, args, wanted } = *self;
        kernel.check_numbers(shape)?;
        if wanted == Wanted::InDtype {
            kernel.check_index_range(shape)?;
        }
        let passing = Passing::new(kernel, kernel.compiled_for(shape)?, shape)?;
        let tile = kernel.column_step(shape.rows, shape.columns);
        let columns = Columns::new(kernel.plan(), args, parts, tile)?;
        let has_values = wanted != Wanted::Indices;
        let has_indices = matches!(wanted, Wanted::Indices | Wanted::Both);
        let values = allocate(if has_values { rows } else { 0 }, kernel.dim())?;
        let indices = allocate(if has_indices { rows } else { 0 }, kernel.dim())?;
        Ok(Ready { passing, columns, results: Results { rows, values, indices } })
    }

    /// Digests of how columns are accumulated, and of each parameter.
    fn digests(&self, shape: Shape) -> Result<Vec<u8>, Error> {
        let mut digests = self.kernel.meaning(shape)?.to_vec();
        for (_, view) in self.parameters() {
            digests.extend(blake3::hash(copied(view).as_bytes()).as_bytes());
        }
        Ok(digests)
    }

    /// Names and values of parameters.
    fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a View<'a, T>)> {
        let Call { kernel, args, .. } = *self;
        let all = kernel.plan().formula.variables.iter().zip(args);
        let parameters = all.filter(|(variable, _)| variable.category == Category::Param);
        parameters.map(|(variable, view)| (&*variable.name, view))
    }
}

/// The first numbers of a parameter, for messages.
fn shown<T: Element>(view: &View<'_, T>) -> String {
    const MOST: usize = 4;
    let numbers = (0..view.dim().min(MOST)).filter_map(|k| view.get(0, k));
    let mut numbers: Vec<String> = numbers.map(|number| number.to_f64().to_string()).collect();
    if view.dim() > MOST {
        numbers.push("...".to_owned());
    }
    format!("[{}]", numbers.join(", "))
}

impl<T: Element> Results<T> {
    fn out(&mut self, dim: usize, wanted: Wanted) -> Result<Out<'_, T>, Error> {
        let Results { rows, values, indices } = self;
        let exact = |indices| Ok(Some(Indices::Exact(ViewMut::new(indices, *rows, dim)?)));
        Ok(match wanted {
            Wanted::Values => {
                Out { values: Some(ViewMut::new(values, *rows, dim)?), indices: None }
            }
            Wanted::InDtype => {
                let indices = Indices::InDtype(ViewMut::new(values, *rows, dim)?);
                Out { values: None, indices: Some(indices) }
            }
            Wanted::Indices => Out { values: None, indices: exact(indices)? },
            Wanted::Both => {
                Out { values: Some(ViewMut::new(values, *rows, dim)?), indices: exact(indices)? }
            }
        })
    }
}
