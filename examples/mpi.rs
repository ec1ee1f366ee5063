//! A kernel density and nearest neighbours of points that are spread over the ranks of an MPI job.
//!
//! `cargo build --release --features mpi --example mpi`, then `mpirun -n 4 target/release/examples/mpi`.

#![allow(clippy::print_stdout, reason = "examples say what they found")]

use genred::mpi::rsmpi::topology::SimpleCommunicator;
use genred::mpi::rsmpi::traits::Communicator;
use genred::{Error, View, generic_argkmin, generic_sum};

fn main() -> Result<(), Error> {
    genred::mpi::run(work)
}

fn work(world: &SimpleCommunicator) -> Result<(), Error> {
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let density =
        generic_sum::<f32>("Exp(-SqDist(x, y))", "a = Vi(1)", &["x = Vi(3)", "y = Vj(3)"])?;
    let nearest = generic_argkmin::<f32>("SqDist(x, y)", "k = Vi(4)", &["x = Vi(3)", "y = Vj(3)"])?;

    // Every rank has points of its own; indices count the points of all ranks, those of rank 0 first.
    let own = points(rank);
    let own = View::new(&own, own.len() / 3, 3)?;
    let a = genred::mpi::reduce(world, &density, &[own, own])?;
    let k = genred::mpi::reduce_indices(world, &nearest, &[own, own])?;

    // The same in one process, which has to have all points.
    let all: Vec<f32> = (0..size).flat_map(points).collect();
    let all = View::new(&all, all.len() / 3, 3)?;
    let same = density.call(&[own, all])?.as_slice() == a.as_slice()
        && nearest.call_indices(&[own, all])? == k;
    assert!(same, "rank {rank} has another result than one process");
    println!(
        "rank {rank} of {size}: {} rows against {} columns, bit for bit as in one process",
        own.rows(),
        all.rows()
    );
    Ok(())
}

/// The points of a rank: on a curve, more of them on later ranks.
fn points(rank: usize) -> Vec<f32> {
    let angles = (0..5_000 + 1_000 * rank).map(|k| (rank as f32 + k as f32 * 1e-4) * 2.0);
    angles.flat_map(|angle| [angle.sin(), (3.0 * angle).cos(), (5.0 * angle).sin()]).collect()
}
