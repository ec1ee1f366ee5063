//! Functions of libraries that may not be there: found at run time, each missing one an error and never a crash.

use libloading::Library;
use std::error::Error;
use std::path::Path;

/// A table of C functions, loaded all or not at all.
macro_rules! functions {
    ($(#[$doc:meta])* $table:ident { $($name:ident = $symbol:literal ($($arg:ty),*) $(-> $ret:ty)?;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "system" fn($($arg),*) $(-> $ret)?,)*
        }
        impl $table {
            /// Look up every function of a library.
            ///
            /// # Errors
            /// The name of the first one that is missing.
            ///
            /// # Safety
            /// The library's functions of these names must have these types.
            pub(super) unsafe fn of(library: &libloading::Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: the caller vouches for the types.
                    $($name: unsafe { *library.get($symbol).map_err(|_| $symbol)? },)*
                })
            }
        }
    };
}
pub(super) use functions;

/// Load a library by path or by a name that the dynamic linker knows. It stays loaded: the libraries of CUDA have threads and
/// exit handlers of their own.
///
/// # Errors
/// The linker's text.
pub(super) fn open(name: &Path) -> Result<&'static Library, String> {
    // SAFETY: the initialisers of CUDA's libraries may run at any time; names come from a fixed list, from this user's
    // environment or from directories that hold this user's programs.
    let library = unsafe { Library::new(name) };
    // The linker's text is the cause; the error itself only says that there is one.
    let text = |error: libloading::Error| match error.source() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    };
    library.map(|library| &*Box::leak(Box::new(library))).map_err(text)
}
