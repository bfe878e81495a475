//! Interleaved measuring: A B A B …, so that what else the machine does falls on all alike; medians.

use std::time::{Duration, Instant};

/// Rounds that are run and not counted: the first fills caches, the second is the first one that finds them full.
pub(crate) const WARM_UP: usize = 2;

/// One contender: does its own set-up, runs once, and returns what is measured. The argument counts the rounds from 0;
/// those below [`WARM_UP`] are not counted.
pub(crate) type Lane<'a> = Box<dyn FnMut(usize) -> Result<f64, String> + 'a>;

/// How often to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Counted rounds at most.
    pub(crate) rounds: usize,
    /// No further round is begun after this time, once there are [`Effort::FEWEST`].
    pub(crate) budget: Duration,
}

impl Effort {
    /// Fewer would be no median.
    const FEWEST: usize = 3;

    /// `full` rounds within 40 seconds, or `quick` ones within ten seconds.
    pub(crate) fn new(quick: bool, rounds_quick: usize, rounds_full: usize) -> Effort {
        if quick {
            Effort { rounds: rounds_quick, budget: Duration::from_secs(10) }
        } else {
            Effort { rounds: rounds_full, budget: Duration::from_secs(40) }
        }
    }
}

/// What a lane measured, or why it can't be.
pub(crate) type Measured = Result<Vec<f64>, String>;

/// Runs the lanes in turn. One that fails is left out from then on; the others go on.
pub(crate) fn interleave(effort: Effort, mut lanes: Vec<Lane<'_>>) -> Vec<Measured> {
    let mut results: Vec<Measured> = lanes.iter().map(|_| Ok(Vec::new())).collect();
    let mut start = Instant::now();
    for round in 0..effort.rounds + WARM_UP {
        if round == WARM_UP {
            start = Instant::now();
        }
        if round >= WARM_UP + Effort::FEWEST && start.elapsed() > effort.budget {
            break;
        }
        for (lane, result) in lanes.iter_mut().zip(&mut results) {
            let Ok(samples) = result else { continue };
            match lane(round) {
                Ok(sample) if round >= WARM_UP => samples.push(sample),
                Ok(_) => {}
                Err(why) => *result = Err(why),
            }
        }
    }
    results
}

/// The middle value; NaN of nothing.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}
