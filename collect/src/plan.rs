//! Which sources, in which order. Pure: it looks at no node.

use crate::cli::PlanArgs;
use crate::source::{Estimate, Source};
use crate::sources::SOURCES;

/// A source was named that does not exist.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no source `{0}`: `collect sources` lists them")]
pub(crate) struct NoSuchSource(String);

/// Every source, most perishable first.
pub(crate) fn all() -> Vec<&'static Source> {
    let mut sources = SOURCES.to_vec();
    sources.sort_by_key(|source| (source.order, source.id));
    sources
}

/// The sources that were asked for, most perishable first.
pub(crate) fn select(args: &PlanArgs) -> Result<Vec<&'static Source>, NoSuchSource> {
    let sources = all();
    let named = args.only.iter().chain(&args.skip);
    if let Some(unknown) = named
        .into_iter()
        .find(|id| !sources.iter().any(|s| s.id == id.as_str()))
    {
        return Err(NoSuchSource(unknown.clone()));
    }
    let wanted = |source: &&'static Source| {
        let among = |ids: &[String]| ids.iter().any(|id| id == source.id);
        (args.only.is_empty() || among(&args.only)) && !among(&args.skip)
    };
    Ok(sources.into_iter().filter(wanted).collect())
}

/// What a node has many of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Processes.
    pub(crate) processes: u64,
    /// cgroup folders.
    pub(crate) cgroups: u64,
}

/// Reads that a source is expected to make in one reading.
pub(crate) fn expected_reads(source: &Source, census: Census) -> u64 {
    match source.estimate {
        Estimate::Fixed(reads) => reads,
        Estimate::PerProcess(reads) => reads * census.processes,
        Estimate::PerCgroup(reads) => reads * census.cgroups,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;

    use super::*;

    fn args(only: &[&str], skip: &[&str]) -> PlanArgs {
        let owned = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        PlanArgs {
            only: owned(only),
            skip: owned(skip),
            root: PathBuf::from("/"),
        }
    }

    #[test]
    fn every_file_of_the_folder_is_a_source() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sources");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(SOURCES.len(), files);
        let ids: HashSet<&str> = SOURCES.iter().map(|source| source.id).collect();
        assert_eq!(ids.len(), files, "ids are unique");
    }

    #[test]
    fn only_and_skip_choose() {
        let only = select(&args(&["pressure"], &[])).unwrap();
        assert_eq!(only.iter().map(|s| s.id).collect::<Vec<_>>(), ["pressure"]);
        let skipped = select(&args(&[], &["pressure"])).unwrap();
        assert_eq!(skipped.len(), SOURCES.len() - 1);
        assert_eq!(
            select(&args(&["presure"], &[])).err(),
            Some(NoSuchSource("presure".into()))
        );
    }

    #[test]
    fn the_most_perishable_comes_first() {
        let orders: Vec<u32> = all().iter().map(|source| source.order).collect();
        assert!(orders.is_sorted());
    }
}
