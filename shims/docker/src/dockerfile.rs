//! A Dockerfile, as far as its stages go: which of them are built for a target, and where each has the shims. Pure.
//!
//! Source: the Dockerfile reference (parser directives, `FROM`, `COPY --from`, `RUN --mount`, here-documents). What is not
//! understood hides a stage from us at worst: what it fetched is then not carried out.

use std::fmt::Write as _;

use serde_json::json;

/// The folder of shims in a build's context.
pub(crate) const SHIMS: &str = "shims";

/// A stage that has the shims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Equipped {
    /// Its number, from 0.
    pub(crate) stage: usize,
    /// The folder of the shims in it.
    pub(crate) folder: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Stage {
    /// Lines before it.
    line: usize,
    name: String,
    /// Stages (or images) that it is made of, the first is its base.
    from: Vec<String>,
    shims: Option<String>,
    /// Something is run or fetched where the shims are not there yet.
    runs_before: bool,
}

/// The stages with shims that are built for `target`, or for the last stage.
pub(crate) fn equipped(text: &str, target: Option<&str>) -> Vec<Equipped> {
    let stages = stages(text);
    let last = stages.len().checked_sub(1);
    let Some(target) = target.map_or(last, |name| find(&stages, last.map_or(0, |last| last + 1), name))
    else {
        return Vec::new();
    };
    let mut needed = vec![target];
    let mut at = 0;
    while let Some(&stage) = needed.get(at) {
        for name in &stages[stage].from {
            if let Some(other) = find(&stages, stage, name).filter(|other| !needed.contains(other)) {
                needed.push(other);
            }
        }
        at += 1;
    }
    needed.sort_unstable();
    let with = |stage| Some(Equipped { stage, folder: shims_of(&stages, stage)? });
    needed.into_iter().filter_map(with).collect()
}

/// Whether nothing is run or fetched before the shims are there, in any stage: what follows them is built anew when they change.
pub(crate) fn begins_with_shims(text: &str) -> bool {
    let stages = stages(text);
    (0..stages.len()).all(|stage| !stages[stage].runs_before || inherited(&stages, stage).is_some())
}

/// Whether an ignore file could keep something of the folder `name` out of the context; in doubt it could.
pub(crate) fn may_ignore(text: &str, name: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let pattern = line.trim_start_matches(['!', '/', '.', ' ']);
        let first = pattern.split('/').next().unwrap_or_default();
        !line.starts_with('#')
            && !line.is_empty()
            && (first.contains(['*', '?', '[', '\\']) || ["", name].contains(&first))
    })
}

/// Whether the image that it makes may show the value of a build argument: where an instruction names it, save in a command that is run, and where
/// the name of an `ARG` is made of variables.
pub(crate) fn may_show(text: &str, name: &str) -> bool {
    // A builder that knows no here-documents takes their lines for instructions.
    let all = instructions(text, true).into_iter().chain(instructions(text, false));
    all.map(|(_, line)| line).any(|line| {
        let line = line.replace(['"', '\'', '\\'], "");
        let mut words = line.split_whitespace();
        let mut instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        if instruction == "ONBUILD" {
            instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        }
        let is_named = || line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        let mut is_made = || words.any(|word| word.split('=').next().is_some_and(|name| name.contains('$')));
        instruction != "RUN" && is_named() || instruction == "ARG" && is_made()
    })
}

/// The Dockerfile up to the end of the stage `target`, or all of it: the classic builder builds whatever stands before a stage.
pub(crate) fn up_to(text: &str, target: Option<&str>) -> String {
    let stages = stages(text);
    let next = target.and_then(|name| stages.get(find(&stages, stages.len(), name)? + 1));
    next.map_or_else(
        || text.to_owned(),
        |next| text.lines().take(next.line).map(|line| format!("{line}\n")).collect(),
    )
}

/// A name for one more stage, which no other one has. The same for the same Dockerfile, whose layers docker knows again.
pub(crate) fn export_name(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let mut name = "vcache-export".to_owned();
    while text.contains(&name) {
        name.push_str("-x");
    }
    name
}

/// The Dockerfile with one more stage of this name, which runs `command` for each of `stages`: with the folder `folder` of its shims copied to a
/// folder of that stage's own number, and that number in the place of `{}`.
pub(crate) fn with_export(
    text: &str,
    name: &str,
    stages: &[Equipped],
    folder: &str,
    command: &[&str],
) -> String {
    // With a continued line at its end the Dockerfile would go on into our stage.
    let whole = text.trim_end();
    let text = whole.strip_suffix(escape(text)).unwrap_or(whole);
    let mut text = format!("{text}\n\nFROM scratch AS {name}\nENV TMPDIR=/\n");
    for Equipped { stage, folder: shims } in stages {
        let words: Vec<String> = command.iter().map(|word| word.replace("{}", &stage.to_string())).collect();
        let copy = [format!("{shims}/{folder}"), format!("/{stage}/")];
        // Owned by root, or what another user of the image has recorded would not be believed.
        let _ = writeln!(text, "COPY --chown=0:0 --from={stage} {}\nRUN {}", json!(copy), json!(words));
    }
    text
}

/// The stage of this name or number before the stage `before`.
fn find(stages: &[Stage], before: usize, name: &str) -> Option<usize> {
    let earlier = &stages[..before.min(stages.len())];
    let named = earlier.iter().rposition(|stage| !name.is_empty() && stage.name.eq_ignore_ascii_case(name));
    named.or_else(|| name.parse().ok().filter(|&number| number < earlier.len()))
}

/// Its own, or those of the stage that it begins with.
fn shims_of(stages: &[Stage], stage: usize) -> Option<String> {
    let own = stages[stage].shims.clone();
    own.or_else(|| inherited(stages, stage))
}

fn inherited(stages: &[Stage], stage: usize) -> Option<String> {
    shims_of(stages, find(stages, stage, stages[stage].from.first()?)?)
}

fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (at, line) in instructions(text, true) {
        let mut words = line.split_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        let (flags, rest): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with("--"));
        if instruction == "FROM" {
            let name = match rest.as_slice() {
                [_, word, name] if word.eq_ignore_ascii_case("AS") => (*name).to_owned(),
                _ => String::new(),
            };
            let base = rest.first().copied().unwrap_or_default().to_owned();
            stages.push(Stage { line: at, name, from: vec![base], ..Stage::default() });
            continue;
        }
        let Some(stage) = stages.last_mut() else { continue };
        let from = |flag: &&str| {
            let of_mount = flag
                .strip_prefix("--mount=")
                .and_then(|mount| mount.split(',').find_map(|part| part.strip_prefix("from=")));
            of_mount.or_else(|| flag.strip_prefix("--from=")).map(str::to_owned)
        };
        let others: Vec<String> = flags.iter().filter_map(from).collect();
        // `--parents` would put them elsewhere.
        let is_plain = others.is_empty() && !flags.contains(&"--parents");
        if is_plain && matches!(instruction.as_str(), "COPY" | "ADD") {
            stage.shims = shims_copied(&rest.join(" ")).or_else(|| stage.shims.take());
        }
        stage.from.extend(others);
        stage.runs_before |= stage.shims.is_none() && matches!(instruction.as_str(), "RUN" | "ADD");
    }
    stages
}

/// Where a `COPY` puts the shims, if it does. A destination that depends on a working folder or a variable is not followed.
fn shims_copied(words: &str) -> Option<String> {
    let words: Vec<String> = match words.starts_with('[') {
        true => serde_json::from_str(words).ok()?,
        false => words.split_whitespace().map(str::to_owned).collect(),
    };
    let (destination, sources) = words.split_last()?;
    let is_shims = |source: &String| source.trim_start_matches("./").trim_matches('/') == SHIMS;
    let is_plain = destination.starts_with('/') && !destination.contains('$');
    (sources.iter().any(is_shims) && is_plain).then(|| destination.trim_end_matches('/').to_owned())
}

/// Instructions, each on one line behind the number of lines before it: comments left out, continued lines joined. `documents`: the bodies of
/// here-documents are left out as well.
fn instructions(text: &str, documents: bool) -> Vec<(usize, String)> {
    let escape = escape(text);
    let mut instructions = Vec::new();
    // Some editors begin a file with a mark for its encoding.
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let (mut first, mut begun) = (0, String::new());
    while let Some((at, line)) = lines.next() {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        // Blanks before a line that goes on with another one belong to it.
        let line = if begun.is_empty() { line.trim() } else { line.trim_end() };
        if begun.is_empty() {
            first = at;
        }
        match line.strip_suffix(escape) {
            Some(part) => {
                begun.push_str(part);
            }
            None => {
                begun.push_str(line);
                for end in ends_of_documents(&begun).into_iter().filter(|_| documents) {
                    // What has no end is no here-document.
                    let mut ahead = lines.clone();
                    if ahead.any(|(_, line)| line.trim_start_matches('\t') == end) {
                        lines = ahead;
                    }
                }
                instructions.push((first, std::mem::take(&mut begun)));
            }
        }
    }
    instructions.push((first, begun));
    instructions
}

/// The parser directive; it stands above everything else.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    let mut values = directives.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("escape").then(|| value.trim().chars().next())?
    });
    values.next().filter(|&c| c == '`').unwrap_or('\\')
}

/// The words that end the here-documents which an instruction begins.
fn ends_of_documents(instruction: &str) -> Vec<String> {
    let takes_them = instruction
        .split_whitespace()
        .next()
        .is_some_and(|word| ["RUN", "COPY", "ADD"].iter().any(|name| word.eq_ignore_ascii_case(name)));
    let words = instruction.split_whitespace().filter(|_| takes_them);
    let ends = words.filter_map(|word| word.split_once("<<").map(|(_, end)| end.trim_start_matches('-')));
    let ends = ends.map(|end| end.trim_matches(['"', '\'']).to_owned());
    ends.filter(|end| !end.is_empty() && end.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, target: Option<&str>) -> Vec<(usize, String)> {
        equipped(text, target).into_iter().map(|one| (one.stage, one.folder)).collect()
    }

    fn at(stages: &[(usize, &str)]) -> Vec<(usize, String)> {
        stages.iter().map(|(stage, folder)| (*stage, (*folder).to_owned())).collect()
    }

    #[test]
    fn stages_that_are_built_and_have_the_shims() {
        let text = "ARG BASE=x\nFROM ${BASE} AS fetch\nCOPY shims /usr/local/sbin/\nRUN a \\\n  && b\n\
                    FROM fetch\nRUN c\n\
                    FROM y as Unused\nCOPY ./shims/ /s\n\
                    FROM z AS last\nCOPY --chown=0 [\"shims\", \"/opt/s\"]\nCOPY --from=fetch /a /b\n\
                    RUN --mount=type=bind,from=1,target=/m true\n\
                    FROM last\nENTRYPOINT x\n";
        let all = at(&[(0, "/usr/local/sbin"), (1, "/usr/local/sbin"), (3, "/opt/s"), (4, "/opt/s")]);
        assert_eq!(found(text, None), all);
        assert_eq!(found(text, Some("unused")), at(&[(2, "/s")]));
        assert_eq!(found(text, Some("1")), at(&[(0, "/usr/local/sbin"), (1, "/usr/local/sbin")]));
        assert_eq!(found(text, Some("none")), []);
    }

    #[test]
    fn what_copies_no_shims() {
        for line in [
            "COPY --from=x shims /s",
            "COPY shims $HOME",
            "COPY shims bin",
            "COPY shims/wget /s",
            "COPY other /shims",
            "COPY --parents shims /s",
            "# COPY shims /s",
            "RUN COPY shims /s",
            "COPY [\"shims\"",
            "COPY",
        ] {
            assert_eq!(found(&format!("FROM x\n{line}\n"), None), [], "{line}");
        }
        assert_eq!(found("", None), []);
        assert_eq!(found("COPY shims /s\n", None), []);
    }

    #[test]
    fn what_an_ignore_file_may_keep_out() {
        for text in
            ["shims", "/shims/x", "./shims", "!shims", "**", "*.o", "s?ims", "a\n  shims\n", ".", "sh\\ims"]
        {
            assert!(may_ignore(text, SHIMS), "{text}");
        }
        for text in ["", "# shims", "target/\n.git\n!other/shims\n", "src/*.o"] {
            assert!(!may_ignore(text, SHIMS), "{text}");
        }
    }

    #[test]
    fn one_more_stage_has_the_folder_of_each() {
        let stages =
            [(0, "/s"), (2, "/a b")].map(|(stage, folder)| Equipped { stage, folder: folder.into() });
        let text = with_export("FROM x\nRUN y \\\n\n", "e", &stages, "f", &["/{}/c", "-o", "{}.v"]);
        let expected = "FROM x\nRUN y \n\nFROM scratch AS e\nENV TMPDIR=/\n\
                        COPY --chown=0:0 --from=0 [\"/s/f\",\"/0/\"]\nRUN [\"/0/c\",\"-o\",\"0.v\"]\n\
                        COPY --chown=0:0 --from=2 [\"/a b/f\",\"/2/\"]\nRUN [\"/2/c\",\"-o\",\"2.v\"]\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_stands_behind_a_target_is_left_out() {
        let text = "ARG V\nFROM x AS a\nRUN <<E\nFROM no\nE\n# comment\nFROM `\n a AS b\nRUN c";
        let text = text.replace('`', "\\");
        let first = "ARG V\nFROM x AS a\nRUN <<E\nFROM no\nE\n# comment\n";
        for (target, expected) in
            [(Some("a"), first), (Some("0"), first), (Some("b"), &text), (Some("none"), &text), (None, &text)]
        {
            assert_eq!(up_to(&text, target), expected, "{target:?}");
        }
    }

    #[test]
    fn one_more_stage_has_a_name_of_its_own() {
        assert_eq!(export_name("FROM x AS y\n"), "vcache-export");
        assert_eq!(export_name("FROM x AS VCACHE-export\nFROM vcache-export-x\n"), "vcache-export-x-x");
    }

    #[test]
    fn what_runs_before_the_shims_is_seen() {
        for (text, expected) in [
            ("FROM x\nENV a=b\nCOPY shims /s\nRUN c\n", true),
            ("FROM x AS a\nCOPY shims /s\nFROM a\nRUN c\nFROM y\nCOPY b /b\n", true),
            ("FROM x\nRUN c\nCOPY shims /s\n", false),
            ("FROM x\nCOPY shims /s\nFROM y\nADD http://h/a /a\n", false),
        ] {
            assert_eq!(begins_with_shims(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        for text in [
            "# escape=`\nFROM x\nCOPY `\n# between\n\n shims /s\nRUN echo \\\n",
            "\u{feff}from x\ncopy shims /a /s\nRUN <<EOF\nCOPY shims /wrong\nFROM y\nEOF\n",
            "FROM x\nADD shims /s\nRUN cat <<-'E' <<F\nFROM y\n\tE\nFROM z\nF\n",
            "FROM --platform=linux/amd64 x\nCOPY shims /s\nRUN echo $((1<<3))\n",
        ] {
            assert_eq!(found(text, None), at(&[(0, "/s")]), "{text}");
        }
    }
}
