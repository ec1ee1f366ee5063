//! What a call would do, asked before it is made.

use super::{Inner, Kernel, Shape, Stats};
use crate::cache::Origin;
use crate::compile::{self, OnDevice, device};
use crate::dtype::Element;
use crate::engine::{Compiled, Engine};
use crate::error::Error;
use crate::schedule::{self, Lanes};
use crate::view::View;

/// Pairs from which a call is worth starting a device for and copying to it: some ten milliseconds of CPU engines. An estimate: no
/// device has been measured.
const WORTH: usize = 100_000_000;

impl<T: Element> Kernel<T> {
    /// The rows and columns of a call with these arguments: rows of the result, points that are reduced over.
    ///
    /// ```
    /// use genred::{View, generic_sum};
    /// let kde = generic_sum::<f32>("Exp(-SqNorm2(x - y))", "a = Vj(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    /// let (x, y) = ([0.0; 6], [0.0; 15]);
    /// assert_eq!(kde.shape(&[View::new(&x, 2, 3)?, View::new(&y, 5, 3)?])?, (5, 2));
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if arguments do not fit the aliases, naming them.
    pub fn shape(&self, args: &[View<'_, T>]) -> Result<(usize, usize), Error> {
        self.check(args).map(|shape| (shape.rows, shape.columns))
    }

    /// Compile now what the first call with so many rows and columns would compile, and say how that code was made.
    ///
    /// ```
    /// let count = genred::generic_sum::<f64>("1", "a = Vi(1)", &["x = Vi(1)", "y = Vj(1)"])?;
    /// assert!(count.prepare(5, 1_000_000)?.code_bytes > 0);
    /// # Ok::<(), genred::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Device` if no engine takes the formula.
    pub fn prepare(&self, rows: usize, columns: usize) -> Result<Stats, Error> {
        let shape = Shape { rows, columns };
        let why = match self.device_for(shape) {
            Ok((compiled, origin)) => return Ok(self.stats_of(compiled, origin)),
            Err(why) => why,
        };
        let compiled = self.compiled_for(shape)?;
        let by_columns = match (schedule::lanes(rows, columns), self.inner.by_columns.get()) {
            (Lanes::Columns, Some(Ok((_, origin)))) => Some(*origin),
            _ => None,
        };
        let mut stats = self.stats_of(compiled, by_columns.unwrap_or(self.origin));
        stats.refusals.extend(why.map(|why| (device::NAME.to_owned(), why)));
        Ok(stats)
    }

    /// The kernel of a device for calls of a shape, if back end `auto` takes one; else why not, where there was a choice.
    pub(super) fn device_for(&self, shape: Shape) -> Result<(&Compiled, Origin), Option<String>> {
        let Inner { plan, choice, on_device, .. } = &*self.inner;
        match choice.device {
            OnDevice::Never => return Err(None),
            OnDevice::NotAsked => {
                return Err(Some("not asked for: GENRED_CUDA is not `auto`".into()));
            }
            OnDevice::IfWorth => {}
        }
        let pairs = shape.rows.saturating_mul(shape.columns);
        if pairs < WORTH {
            return Err(Some(format!("{pairs} pairs are not worth the copy; {WORTH} are")));
        }
        let lanes = schedule::lanes(shape.rows, shape.columns);
        let made = on_device[usize::from(lanes == Lanes::Columns)]
            .get_or_init(|| compile::obtain(plan, &choice.on_device(), lanes, &self.cache));
        made.as_ref().map(|(kernel, origin)| (&**kernel, *origin)).map_err(|e| Some(e.to_string()))
    }

    /// Bytes of each device's memory that a call of this shape uses if it may: its workspace, copies of the arrays included. `None`
    /// where the kernel runs on no device.
    ///
    /// With less, which [`Genred::device_memory`](crate::Genred::device_memory) sets, the arrays are streamed in panels.
    ///
    /// ```
    /// use genred::{Backend, Genred};
    /// let sum = Genred::<f64>::sum("x * y").output("a = Vi(1)").aliases(["x = Vi(1)", "y = Vj(1)"]);
    /// assert_eq!(sum.backend(Backend::Cpu).compile()?.device_bytes(1_000, 1_000), None);
    /// # Ok::<(), genred::Error>(())
    /// ```
    pub fn device_bytes(&self, rows: usize, columns: usize) -> Option<u64> {
        match &self.compiled_for(Shape { rows, columns }).ok()?.engine {
            Engine::Cuda(launcher) => Some(launcher.workspace_bytes(rows, columns)),
            _ => None,
        }
    }
}
