//! Executable memory: code bytes in, callable stage functions out, freed with the last handle.

use super::layout::Layout;
use super::stages::{Done, Pairs, Stages};
use super::{Args, Code, Entry, Refused};
use crate::dtype::Real;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Alignment that code blobs assume of their first byte.
const ALIGNMENT: u64 = 64;

/// A kernel's code, mapped read-execute.
pub struct LoadedCode {
    /// Owns the mapping. JITModule is Send but not Sync; after finalisation it is touched only to be dropped.
    module: ManuallyDrop<Mutex<JITModule>>,
    start: *const u8,
    entries: [Option<u32>; 6],
    /// Size of the blob.
    pub bytes: usize,
    /// Scratch that a call needs in [`Args::temp`].
    pub temp_bytes: usize,
    /// Lanes of a vector.
    pub width: u32,
}

// SAFETY: `start` points into the module's read-execute mapping, which lives as long as `self` and is never written after
// `load` returns; the code itself keeps no state outside of what `Args` points to.
unsafe impl Send for LoadedCode {}
// SAFETY: as above: shared use only executes immutable code.
unsafe impl Sync for LoadedCode {}

impl Drop for LoadedCode {
    fn drop(&mut self) {
        // SAFETY: `module` is taken exactly once, here, and never used again.
        let module = unsafe { ManuallyDrop::take(&mut self.module) };
        let module = module.into_inner().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the only pointers into the module's memory are `start` and the frames of running calls; calls borrow `self`,
        // so none is running.
        unsafe { module.free_memory() };
    }
}

/// The instruction set the loader tells cranelift-jit about: only alignment and pointer size matter to it.
fn isa() -> Result<cranelift_codegen::isa::OwnedTargetIsa, Refused> {
    static ISA: OnceLock<Result<cranelift_codegen::isa::OwnedTargetIsa, String>> = OnceLock::new();
    let isa = ISA.get_or_init(|| {
        let mut flags = settings::builder();
        flags.set("is_pic", "false").map_err(|e| e.to_string())?;
        flags.set("opt_level", "none").map_err(|e| e.to_string())?;
        let builder = cranelift_native::builder().map_err(str::to_owned)?;
        builder.finish(settings::Flags::new(flags)).map_err(|e| e.to_string())
    });
    isa.clone().map_err(Refused::Cannot)
}

impl LoadedCode {
    /// Map a blob.
    ///
    /// # Errors
    /// When the platform gives no executable memory.
    pub fn load(code: &Code) -> Result<LoadedCode, Refused> {
        let refused =
            |e: &dyn std::fmt::Display| Refused::Cannot(format!("no executable memory: {e}"));
        let builder = JITBuilder::with_isa(isa()?, cranelift_module::default_libcall_names());
        let mut module = JITModule::new(builder);
        let signature = module.make_signature();
        let id = module
            .declare_function("kernel", Linkage::Local, &signature)
            .map_err(|e| refused(&e))?;
        module.define_function_bytes(id, ALIGNMENT, &code.bytes, &[]).map_err(|e| refused(&e))?;
        module.finalize_definitions().map_err(|e| refused(&e))?;
        let start = module.get_finalized_function(id);
        Ok(LoadedCode {
            module: ManuallyDrop::new(Mutex::new(module)),
            start,
            entries: code.entries,
            bytes: code.bytes.len(),
            temp_bytes: code.temp_bytes,
            width: code.width,
        })
    }

    /// Whether the kernel has a stage.
    pub fn has(&self, entry: Entry) -> bool {
        self.entries[entry as usize].is_some()
    }

    /// Run a stage; does nothing and returns 0 where the program's stage is empty.
    ///
    /// # Safety
    /// The caller promises that `args` points to memory laid out as the [`cpu`](super) module says for the program and schedule
    /// that this code was emitted from, and that nobody else uses what the stage writes while it runs.
    pub unsafe fn call(&self, entry: Entry, args: &Args) -> u64 {
        let Some(offset) = self.entries[entry as usize] else { return 0 };
        // SAFETY: the emitter placed a function with this signature at `offset`, within the mapping that `self` owns; the
        // caller vouches for `args`.
        unsafe {
            let function = std::mem::transmute::<*const u8, Stage>(self.start.add(offset as usize));
            function(args)
        }
    }
}

impl std::fmt::Debug for LoadedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedCode")
            .field("bytes", &self.bytes)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

/// A stage of a kernel: one convention for every system of x86-64, for the emitters of this crate know one; elsewhere the
/// platform's own, which is [`ABI`] in Cranelift's words, too.
#[cfg(target_arch = "x86_64")]
type Stage = unsafe extern "sysv64" fn(*const Args) -> u64;
#[cfg(not(target_arch = "x86_64"))]
type Stage = unsafe extern "C" fn(*const Args) -> u64;

/// The name of the convention that stages are called by: code for another one is not loaded.
pub const ABI: &str = if cfg!(target_arch = "x86_64") { "sysv64" } else { "C" };

/// A native kernel over `T`: code with the layout that it was emitted for.
#[derive(Debug)]
pub struct Native<T> {
    code: LoadedCode,
    layout: Layout,
    element: PhantomData<fn(T)>,
}

impl<T: Real> Native<T> {
    /// Map a kernel's code.
    ///
    /// # Errors
    /// When the platform gives no executable memory, or the layout is not over `T`.
    pub fn load(code: &Code, layout: Layout) -> Result<Native<T>, Refused> {
        if layout.float != T::FLOAT {
            return Err(Refused::Cannot(format!(
                "a kernel over {} used over {}",
                layout.float,
                T::FLOAT
            )));
        }
        Ok(Native { code: LoadedCode::load(code)?, layout, element: PhantomData })
    }

    /// Arguments in which every space is absent; stages get the ones that they use.
    fn nothing() -> Args {
        let none = ptr::null_mut();
        Args {
            param: none,
            row: none,
            col: none,
            state: none,
            other: none,
            out: none,
            tile: none,
            temp: none,
            first: 0,
            count: 0,
        }
    }

    /// Run a stage over slices that are at least as long as the layout says.
    fn run(&self, entry: Entry, args: &Args) -> u64 {
        // SAFETY: the callers below have checked the length of every slice in `args` against the layout, which `load` got with
        // the code; slices that the stage writes were borrowed mutably, all others are only read by it.
        unsafe { self.code.call(entry, args) }
    }
}

/// Address of a slice that a stage reads.
fn read<T>(slice: &[T], len: usize) -> *mut u8 {
    assert!(slice.len() >= len, "a slice of {} elements where a stage reads {len}", slice.len());
    slice.as_ptr().cast_mut().cast()
}

/// Address of a slice that a stage writes.
fn write<T>(slice: &mut [T], len: usize) -> *mut u8 {
    assert!(slice.len() >= len, "a slice of {} elements where a stage writes {len}", slice.len());
    slice.as_mut_ptr().cast()
}

impl<T: Real> Stages<T> for Native<T> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn param(&self, param: &mut [T], scratch: &mut [T]) {
        let args = Args {
            param: write(param, self.layout.slots.param as usize),
            temp: write(scratch, self.layout.scratch),
            ..Self::nothing()
        };
        self.run(Entry::Param, &args);
    }

    fn row(&self, param: &[T], row: &mut [T], scratch: &mut [T]) {
        let args = Args {
            param: read(param, self.layout.slots.param as usize),
            row: write(row, self.layout.row_len()),
            temp: write(scratch, self.layout.scratch),
            ..Self::nothing()
        };
        self.run(Entry::Row, &args);
    }

    fn col(&self, param: &[T], col: &mut [T], columns: Range<usize>, scratch: &mut [T]) {
        assert!(
            columns.start.is_multiple_of(64) && columns.end <= self.layout.schedule.tile as usize
        );
        let args = Args {
            param: read(param, self.layout.slots.param as usize),
            col: write(col, self.layout.col_len()),
            temp: write(scratch, self.layout.scratch),
            first: columns.start as u64,
            count: columns.len() as u64,
            ..Self::nothing()
        };
        self.run(Entry::Col, &args);
    }

    fn pair(&self, pairs: Pairs<'_, T>) -> Done {
        let layout = &self.layout;
        let Pairs { param, row, col, state, tile, scratch, columns } = pairs;
        let chunk = layout.schedule.chunk as usize;
        assert!(
            columns.start.is_multiple_of(chunk) && columns.end <= layout.schedule.tile as usize
        );
        let args = Args {
            param: read(param, layout.slots.param as usize),
            row: read(row, layout.pair_row_len()),
            col: read(col, layout.col_len()),
            state: write(state, layout.pair_state_len()),
            tile: write(tile, layout.tile_len()),
            temp: write(scratch, layout.scratch),
            first: columns.start as u64,
            count: columns.len() as u64,
            ..Self::nothing()
        };
        let result = self.run(Entry::Pair, &args);
        Done { columns: (result >> 1) as usize, hit: result & 1 == 1 }
    }

    fn merge(&self, state: &mut [T], other: &[T], scratch: &mut [T]) {
        let args = Args {
            state: write(state, self.layout.state_len()),
            other: read(other, self.layout.state_len()),
            temp: write(scratch, self.layout.scratch),
            ..Self::nothing()
        };
        self.run(Entry::Merge, &args);
    }

    fn finish(&self, param: &[T], row: &[T], state: &[T], out: &mut [T], scratch: &mut [T]) {
        let args = Args {
            param: read(param, self.layout.slots.param as usize),
            row: read(row, self.layout.row_len()),
            state: read(state, self.layout.state_len()),
            out: write(out, self.layout.out_len()),
            temp: write(scratch, self.layout.scratch),
            ..Self::nothing()
        };
        self.run(Entry::Finish, &args);
    }
}
