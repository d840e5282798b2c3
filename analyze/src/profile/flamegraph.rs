//! Flamegraphs: a folded profile as one SVG with search and zoom, drawn by inferno.
//!
//! Same profile, same bytes. Colours tell where code runs; they differ in lightness and in hue, so
//! that they can be told apart with any kind of colour vision. On dark screens the paper is dark.

use std::collections::BTreeSet;

use anyhow::Context;
use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{Direction, Options, TextTruncateDirection, from_lines};

use super::fold::{self, Folded, fold};
use super::scope::Scope;
use super::{FrameKind, Profile, Unit};
use crate::units;

/// Width of a picture that no script stretches.
const WIDTH: u32 = 1200;
/// Pixels of a digit in the legend.
const LETTER: usize = 7;

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Each thread apart.
    pub threads: bool,
    /// Callers above, called functions below.
    pub icicle: bool,
    /// Narrowest frame in thousandths of the picture; what is narrower is left out. One is a pixel
    /// on most screens, and keeps a picture of ten thousand stacks near 100 KB.
    pub narrowest_permille: u32,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            threads: false,
            icicle: false,
            narrowest_permille: 1,
        }
    }
}

/// A flamegraph of the samples of a scope; nothing where there are none.
pub fn svg(profile: &Profile, scope: &Scope, look: Look) -> anyhow::Result<Option<String>> {
    let options = fold::Options {
        threads: look.threads,
    };
    let folded = fold(profile, scope, options);
    if folded.total == 0 {
        return Ok(None);
    }
    drawn(profile, scope, &folded, look).map(Some)
}

/// A flamegraph of what was folded of a scope.
pub fn drawn(
    profile: &Profile,
    scope: &Scope,
    folded: &Folded,
    look: Look,
) -> anyhow::Result<String> {
    let title = format!("{}: {}", fold::clean(&profile.name), scope.title(profile));
    let mut subtitle = subtitle(profile, folded);
    if look.narrowest_permille > 1 {
        let least = f64::from(look.narrowest_permille) / 1000.0;
        subtitle += &format!(" · without frames below {}", units::percent(least));
    }
    draw(folded, profile.unit, look, &title, &subtitle)
}

/// What a reader must know of the samples, in one line.
pub fn subtitle(profile: &Profile, folded: &Folded) -> String {
    let count = |value: u64| units::count(value as f64);
    let share = |part: u64, whole: u64| units::percent(part as f64 / whole.max(1) as f64);
    let mut parts = vec![match profile.unit {
        Unit::Count => format!("{} samples", count(folded.samples)),
        Unit::Nanoseconds => {
            let time = units::duration_us(folded.total as f64 / 1e3);
            format!("{time} in {} samples", count(folded.samples))
        }
        Unit::Bytes => units::bytes(folded.total as f64),
    }];
    if let Some(hz) = profile.frequency_hz {
        parts.push(format!("{} at {hz} Hz", fold::clean(&profile.event)));
    }
    if let Some(cpus) = profile.cpus {
        let s = if cpus == 1 { "" } else { "s" };
        parts.push(format!("{cpus} CPU{s}"));
        parts.push(format!("{} lost", count(profile.lost)));
    }
    if folded.frames_unnamed > 0 {
        let share = share(folded.frames_unnamed, folded.frames_total);
        parts.push(format!("{share} of frames without a name"));
    }
    if folded.broken > 0 {
        let share = share(folded.broken, folded.samples);
        parts.push(format!("{share} with a broken stack"));
    }
    parts.join(" · ")
}

fn draw(
    folded: &Folded,
    unit: Unit,
    look: Look,
    title: &str,
    subtitle: &str,
) -> anyhow::Result<String> {
    let mut palette = palette(folded);
    // Inferno adds weights up without looking: what pprof claims may be more than there is room for.
    let shift = 12_u32.saturating_sub(folded.total.leading_zeros());
    let (count_name, factor) = match unit {
        Unit::Count => ("samples", 1.0),
        Unit::Nanoseconds => ("ms", 1e-6),
        Unit::Bytes => ("bytes", 1.0),
    };
    let lines: Vec<String> = folded
        .stacks
        .iter()
        .map(|(stack, weight)| format!("{stack} {}", weight >> shift))
        .collect();
    let mut options = common();
    title.clone_into(&mut options.title);
    options.subtitle = Some(subtitle.to_owned());
    options.min_width = f64::from(look.narrowest_permille) / 10.0;
    options.palette_map = Some(&mut palette);
    options.bgcolors = Some(BackgroundColor::Flat(Color::new(255, 255, 255)));
    count_name.clone_into(&mut options.count_name);
    options.factor = factor * f64::from(1_u32 << shift);
    if look.icicle {
        options.direction = Direction::Inverted;
    }
    let mut svg = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .context("cannot draw the flamegraph")?;
    let svg = String::from_utf8(svg).context("cannot draw the flamegraph")?;
    Ok(finish(&svg, folded))
}

/// What is the same for each picture, its script among it.
fn common<'a>() -> Options<'a> {
    let mut options = Options::default();
    options.deterministic = true;
    options.name_type = String::new();
    options.text_truncate_direction = TextTruncateDirection::Right;
    options
}

/// Adds the legend and our own style.
fn finish(svg: &str, folded: &Folded) -> String {
    let height = height(svg).unwrap_or_default();
    let svg = svg.replacen("</style>", &format!("{STYLE}</style>"), 1);
    let body = svg.strip_suffix("</svg>").unwrap_or(&svg);
    format!("{body}{}</svg>", legend(folded, height))
}

/// Height of the picture in pixels.
fn height(svg: &str) -> Option<u32> {
    let (_, rest) = svg.split_once("height=\"")?;
    rest.split_once('"')?.0.parse().ok()
}

const STYLE: &str = "\
#search { opacity:1; text-decoration:underline; }
#frames > g > rect { stroke:#fff; stroke-width:0.2; }
#frames text { fill:#16191c; pointer-events:none; }
#legend text { font-family:sans-serif; font-size:11px; }
@media (prefers-color-scheme: dark) {
  svg > rect { fill:#1b2125; }
  text { fill:#e3e7ea; }
  #frames > g > rect { stroke:#1b2125; }
}
";

/// The kinds of code that the picture has, at its foot.
fn legend(folded: &Folded, height: u32) -> String {
    let kinds: BTreeSet<FrameKind> = folded.kinds.values().copied().collect();
    let top = height.saturating_sub(13);
    let mut x = WIDTH as usize / 120;
    let mut out = String::from("<g id=\"legend\">");
    for kind in kinds {
        let (words, fill) = (words(kind), hex(fills(kind)[0]));
        out += &format!(
            "<rect x=\"{x}\" y=\"{top}\" width=\"10\" height=\"10\" style=\"fill:{fill}\"/>\
             <text x=\"{}\" y=\"{}\">{words}</text>",
            x + 14,
            top + 9
        );
        x += 14 + LETTER * (words.len() + 2);
    }
    out + "</g>"
}

/// A kind of code in the legend.
pub fn words(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Kernel => "kernel",
        FrameKind::User => "program",
        FrameKind::GoRuntime => "Go runtime",
        FrameKind::Generated => "generated (JIT)",
        FrameKind::Mark => "who ran, and marks",
    }
}

/// Colours of a kind: shades, so that neighbours can be told apart. Each pair of kinds keeps a
/// distance (Lab, 20 and more) under protanopia, deuteranopia and tritanopia as Machado et al.
/// (2009) simulate them; black text stands on each with a contrast of 5 and more.
pub fn fills(kind: FrameKind) -> [[u8; 3]; 3] {
    match kind {
        FrameKind::Kernel => [[232, 150, 60], [226, 143, 50], [238, 158, 74]],
        FrameKind::User => [[244, 220, 140], [240, 212, 124], [247, 227, 156]],
        FrameKind::GoRuntime => [[58, 169, 159], [66, 178, 168], [76, 186, 175]],
        FrameKind::Generated => [[169, 127, 214], [176, 136, 219], [184, 147, 224]],
        FrameKind::Mark => [[217, 221, 225], [210, 215, 220], [224, 228, 231]],
    }
}

/// A colour as style sheets have it.
pub fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The colour of each name; the shade hangs on nothing but the name.
fn palette(folded: &Folded) -> PaletteMap {
    let mut palette = PaletteMap::default();
    let names = folded
        .kinds
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind));
    // The frame below all others has no name.
    for (name, kind) in names.chain([("", FrameKind::Mark)]) {
        let sum: usize = name.bytes().map(usize::from).sum();
        let [r, g, b] = fills(kind)[sum % 3];
        palette.insert(name, Color::new(r, g, b));
    }
    palette
}

/// A flamegraph in two: the picture without any script, and the script that makes it live.
pub struct Parts {
    /// An `<svg>` element that HTML can hold.
    pub picture: String,
    /// Its height in pixels.
    pub height: u32,
    /// The same for all pictures of one direction.
    pub script: String,
}

/// Takes a flamegraph apart; nothing if it is not built as expected.
pub fn parts(svg: &str) -> Option<Parts> {
    let (head, rest) = svg.split_once("<script type=\"text/ecmascript\">")?;
    let (script, tail) = rest.split_once("</script>")?;
    let picture = format!("{}{tail}", head.get(head.find("<svg")?..)?);
    let picture = without_remarks(&picture)?.replacen(" onload=\"init(evt)\"", "", 1);
    let script = script.replace("<![CDATA[", "").replace("]]>", "");
    Some(Parts {
        height: height(&picture)?,
        picture,
        script,
    })
}

/// The script of every picture that grows upwards.
pub fn script() -> Option<String> {
    let mut svg = Vec::new();
    from_lines(&mut common(), ["any 1"], &mut svg).ok()?;
    Some(parts(&String::from_utf8(svg).ok()?)?.script)
}

fn without_remarks(svg: &str) -> Option<String> {
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->")?.1;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::scope::Who;
    use crate::profile::testing::{profile, sample};

    fn of_node(profile: &Profile, look: Look) -> String {
        svg(profile, &Scope::node(), look).unwrap().unwrap()
    }

    #[test]
    fn same_profile_same_bytes() {
        let first = of_node(&profile(), Look::default());
        assert!(first == of_node(&profile(), Look::default()));
        assert!(
            first
                != of_node(
                    &profile(),
                    Look {
                        icicle: true,
                        ..Look::default()
                    }
                )
        );
        for part in [
            "cpu: whole node",
            "6 samples · cpu-clock at 99 Hz · 2 CPUs · 0 lost",
            "<title>vfs_read (1 samples, 16.67%)</title>",
            "pod shop/cart-0",
            "generated (JIT)",
        ] {
            assert!(first.contains(part), "{part}");
        }
        assert_eq!(first.matches("prefers-color-scheme").count(), 1);
    }

    #[test]
    fn kinds_have_colours_and_nothing_has_another() {
        let svg = of_node(&profile(), Look::default());
        let kinds = [
            FrameKind::Kernel,
            FrameKind::User,
            FrameKind::GoRuntime,
            FrameKind::Generated,
            FrameKind::Mark,
        ];
        let ours: Vec<[u8; 3]> = kinds.into_iter().flat_map(fills).collect();
        let (_, frames) = svg.split_once("<svg id=\"frames\"").unwrap();
        let (frames, _) = frames.split_once("</svg>").unwrap();
        for part in frames.split("fill=\"rgb(").skip(1) {
            let numbers = part.split(')').next().unwrap().split(',');
            let rgb: Vec<u8> = numbers.map(|n| n.parse().unwrap()).collect();
            assert!(ours.iter().any(|our| our[..] == rgb[..]), "{rgb:?}");
        }
    }

    #[test]
    fn nothing_of_a_name_is_markup() {
        let mut profile = profile();
        let long = "x".repeat(100_000);
        for name in [
            "</title><script>alert(1)</script>",
            "\"onload=\"alert(2)",
            "]]><!--\u{202e}\u{1b}\u{ffff}",
            "a;b 7",
            &long,
        ] {
            sample(&mut profile, 0, 0, &[(name, FrameKind::User)]);
            profile.tasks[0].pod = Some(name.to_owned());
        }
        let svg = of_node(&profile, Look::default());
        assert_eq!(svg.matches("<script").count(), 1);
        assert!(svg.contains("&lt;script&gt;alert(1)"));
        assert!(!svg.contains(['\u{202e}', '\u{1b}', '\u{ffff}']));
        assert!(
            svg.contains("a:b_7 (1 samples"),
            "the weight stays the weight"
        );
        assert!(svg.len() < 60_000, "{}", svg.len());
        let parts = parts(&svg).unwrap();
        for bad in ["<script", "<!--", " onload=\"", "<?xml", "CDATA"] {
            assert!(!parts.picture.contains(bad), "{bad}");
        }
        assert!(parts.script.contains("function init(evt)"));
        // The options say what the script is told; the page has it once for all pictures.
        assert!(Some(&parts.script) == script().as_ref());
        assert!(!parts.script.contains("</script"));
    }

    #[test]
    fn weights_may_be_as_large_as_they_claim() {
        let mut profile = profile();
        for sample in &mut profile.samples {
            sample.weight = u64::MAX / 3;
        }
        profile.unit = Unit::Bytes;
        assert!(of_node(&profile, Look::default()).contains("bytes"));
    }

    #[test]
    fn nothing_gives_no_picture() {
        let scope = Scope::of(Who::Process(4_000_000));
        assert!(svg(&profile(), &scope, Look::default()).unwrap().is_none());
    }
}
