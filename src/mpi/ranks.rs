//! What ranks tell each other before any column moves: one that cannot go on says why, and then none goes on.

use crate::error::{Error, ErrorKind};
use ::mpi::collective::Root;
use ::mpi::topology::Communicator;
use ::mpi::traits::CommunicatorCollectives;
use std::io::{self, Write};
use std::thread;

/// The ranks of a communicator. Ends the job if this one unwinds by a panic: others would wait for it forever.
pub(super) struct Ranks<'c> {
    world: &'c dyn Communicator,
}

impl<'c> Ranks<'c> {
    pub(super) fn new(world: &'c dyn Communicator) -> Ranks<'c> {
        Ranks { world }
    }

    /// The number of this rank.
    pub(super) fn own(&self) -> usize {
        self.world.rank() as usize
    }

    /// A rank, for messages.
    pub(super) fn name(&self, rank: usize) -> String {
        format!("rank {rank} of {}", self.world.size())
    }

    /// As many bytes of every rank, in order of ranks.
    ///
    /// # Errors
    /// If a rank has an error: that of the first that has one, on all of them.
    pub(super) fn agree(
        &self,
        own: Result<Vec<u8>, Error>,
        len: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut message = vec![u8::from(own.is_err())];
        message.extend(own.as_deref().unwrap_or_default());
        message.resize(1 + len, 0);
        let mut all = vec![0; message.len() * self.world.size() as usize];
        self.world.all_gather_into(&message[..], &mut all[..]);
        let messages = || all.chunks_exact(message.len());
        let Some(failed) = messages().position(|message| message[0] != 0) else {
            return Ok(messages().map(|message| message[1..].to_vec()).collect());
        };
        let (kind, text) = match &own {
            Err(error) => (error.kind(), error.to_string()),
            Ok(_) => (ErrorKind::Usage, String::new()),
        };
        let mut number = ErrorKind::ALL.iter().position(|k| *k == kind).unwrap_or(0);
        self.world.process_at_rank(failed as i32).broadcast_into(&mut number);
        let text = self.text(failed, text);
        Err(Error::new(ErrorKind::ALL[number], format!("{}: {text}", self.name(failed))))
    }

    /// Check that all ranks have the bytes of rank 0.
    ///
    /// # Errors
    /// `Usage` if not: it quotes how rank 0 and the first other one describe theirs.
    pub(super) fn same<'m>(
        &self,
        mut messages: impl Iterator<Item = &'m [u8]>,
        own: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let first = messages.next();
        let Some(other) = messages.position(|message| Some(message) != first) else {
            return Ok(());
        };
        let (other, own) = (other + 1, own());
        let (a, b) = (self.text(0, own.clone()), self.text(other, own));
        Err(Error::usage(format!("{} has {b}, but rank 0 has {a}", self.name(other))))
    }

    /// A text of one rank, on all of them.
    fn text(&self, rank: usize, own: String) -> String {
        let from = self.world.process_at_rank(rank as i32);
        let mut len = own.len();
        from.broadcast_into(&mut len);
        let mut bytes = own.into_bytes();
        bytes.resize(len, 0);
        from.broadcast_into(&mut bytes[..]);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Gather parts of a buffer, one of each rank and one after another, on all ranks.
    pub(super) fn gather(&self, own: &[u8], lens: &[i32], all: &mut [u8]) {
        let begins = lens.iter().scan(0, |at, len| {
            *at += len;
            Some(*at - len)
        });
        let begins: Vec<i32> = begins.collect();
        let mut parts = ::mpi::datatype::PartitionMut::new(all, lens, &begins[..]);
        self.world.all_gather_varcount_into(own, &mut parts);
    }

    /// End the job with a message.
    pub(super) fn abort(&self, why: &str) -> ! {
        // Nothing can be done about a closed standard error.
        let _ = writeln!(io::stderr(), "genred: {} {why}; the job ends", self.name(self.own()));
        self.world.abort(1)
    }
}

impl Drop for Ranks<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.abort("panicked");
        }
    }
}
