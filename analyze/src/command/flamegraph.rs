//! `analyze flamegraph`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::FlamegraphArgs;
use crate::document::nearest;
use crate::profile::Profile;
use crate::profile::choice::{Choice, choices};
use crate::profile::flamegraph::{self, Look};
use crate::profile::scope::{LINK, Scope};
use crate::report::view::identifier;
use crate::table::Loaded;
use crate::units;

/// Draws one flamegraph.
pub(super) fn run(args: &FlamegraphArgs) -> anyhow::Result<ExitCode> {
    let scope = args.scope.scope()?;
    let loaded = super::load_profiled(&args.input)?;
    let profile = choose(&loaded, args.profile.as_deref())?;
    let look = Look {
        threads: args.threads,
        icicle: args.icicle,
        ..Look::default()
    };
    let Some(svg) = flamegraph::svg(profile, &scope, look)? else {
        bail!("{}", nothing(profile, &scope));
    };
    for note in &profile.notes {
        super::say(note);
    }
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| default_output(&args.input.bundle, profile, &scope, "svg"));
    super::write(&output, svg.as_bytes())?;
    if output != Path::new("-") {
        super::print(&format!("{}\n", output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The profile of this name, or which there are.
pub(super) fn choose<'a>(loaded: &'a Loaded, name: Option<&str>) -> anyhow::Result<&'a Profile> {
    let profiles = &loaded.node.profiles;
    let wanted = name.unwrap_or("cpu");
    let is_below = |profile: &&Profile| {
        let rest = profile.name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let by_name = profiles.iter().find(|profile| profile.name == wanted);
    let found = by_name.or_else(|| match name {
        Some(_) => profiles.iter().find(is_below),
        None => profiles.first(),
    });
    if let Some(profile) = found {
        return Ok(profile);
    }
    let names: Vec<&str> = profiles.iter().map(|p| p.name.as_str()).collect();
    if names.is_empty() {
        let table = loaded.tables.get("profile");
        let why = table.and_then(|table| table.missing.as_deref());
        bail!(
            "the bundle holds no profile: {}",
            why.unwrap_or("nothing was sampled (`collect --window 10` samples)")
        );
    }
    bail!(
        "there is no profile `{wanted}`: did you mean `{}`? There are {}",
        nearest(wanted, &names),
        names.join(", ")
    )
}

/// Nobody meant was seen running: who was.
pub(super) fn nothing(profile: &Profile, scope: &Scope) -> String {
    const SHOWN: usize = 8;
    let (name, title) = (&profile.name, scope.title(profile));
    let total = profile.total();
    if total == 0 {
        return format!("the profile `{name}` has no samples");
    }
    let mut text = format!("the profile `{name}` has no sample of: {title}. It has:\n");
    let choices = choices(profile);
    for list in [&choices.pods, &choices.cgroups, &choices.processes] {
        for Choice { scope, weight } in list.iter().take(SHOWN) {
            let share = units::percent(*weight as f64 / total as f64);
            text += &format!("  {share:>6}  {}\n", scope.title(profile));
        }
        if list.len() > SHOWN {
            text += &format!("          and {} more\n", list.len() - SHOWN);
        }
    }
    if let Some((from, to)) = profile.span_ns {
        let seconds = to.saturating_sub(from) as f64 / 1e9;
        text += &format!("from 0 to {seconds:.1} s\n");
    }
    text.trim_end().to_owned()
}

/// The bundle's name, the profile and the scope, in the current folder.
pub(super) fn default_output(
    bundle: &Path,
    profile: &Profile,
    scope: &Scope,
    extension: &str,
) -> PathBuf {
    const SCOPE_CHARS: usize = 80;
    let name = super::stem(bundle, "flamegraph");
    let profile = identifier(&profile.name);
    let scope = if *scope == Scope::node() {
        String::new()
    } else {
        format!("-{}", identifier(scope.link().trim_start_matches(LINK)))
    };
    let scope: String = scope.chars().take(SCOPE_CHARS).collect();
    PathBuf::from(format!("{name}-{profile}{scope}.{extension}"))
}
