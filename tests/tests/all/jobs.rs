//! The job files of `examples/jobs` on a Slurm that is played, and every `ferkd ...` that the docs of scale, the
//! README and the job files show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use ferkd_tests::{Answer, answer, ferkd, few_scenes, files, has_mpi, program, repository, same};

/// Runs a command, as so many tasks as `srun` would by `mpirun`.
const SRUN: &str = r#"#!/bin/bash
while [[ "$1" == --* ]]; do shift; done
if [ "${SLURM_NTASKS:-1}" = 1 ]; then exec "$@"; fi
exec mpirun --oversubscribe --allow-run-as-root --bind-to none -n "$SLURM_NTASKS" "$@"
"#;

/// What is queued again is written down.
const SCONTROL: &str = r#"#!/bin/bash
echo "$*" >> scontrol.log
"#;

const STORE: &str = "--teacher digits --regions 2 --device flex --shard-images 6";

/// Writes a program into `bin`.
fn script(at: &Path, name: &str, text: &str) {
    let path = at.join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a job file in `at`, with these variables.
fn job(at: &Path, name: &str, variables: &[(&str, &str)]) -> Answer {
    script(at, "srun", SRUN);
    script(at, "scontrol", SCONTROL);
    let path = format!("{}:{}", at.join("bin").display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.arg(repository("examples/jobs").join(name)).current_dir(at).env("PATH", path);
    bash.env("FERKD", program()).env("SLURM_JOB_ID", "7").envs(variables.iter().copied());
    answer(&mut bash)
}

/// What the scripts asked Slurm for.
fn asked(at: &Path) -> String {
    fs::read_to_string(at.join("scontrol.log")).unwrap_or_default()
}

/// A part of the scenes' store.
fn label(at: &Path, part: &str, more: &[(&str, &str)]) -> Answer {
    let mut variables = vec![
        ("SLURM_ARRAY_JOB_ID", "7"),
        ("SLURM_ARRAY_TASK_ID", part),
        ("PARTS", "2"),
        ("IMAGES", "scenes"),
        ("OUT", "store"),
        ("TEACHER", "digits"),
        ("REGIONS", "2"),
        ("DEVICE", "flex"),
        ("EXTRA", "--shard-images 6"),
    ];
    variables.extend(more);
    job(at, "label.sbatch", &variables)
}

#[test]
fn an_array_of_parts_becomes_the_store_of_one_go() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    label(at.path(), "1", &[]).ok();
    let verify = [("OUT", "store")];
    // Half of it is not a store.
    job(at.path(), "verify.sbatch", &verify).fails(1, &["2/2"]);
    label(at.path(), "2", &[]).ok();
    let merged = job(at.path(), "verify.sbatch", &verify).ok().stdout;
    assert!(merged.contains("2 parts are merged") && merged.contains("the store is sound"), "{merged}");
    // Sent again, it only checks.
    job(at.path(), "verify.sbatch", &verify).ok();
    ferkd(at.path(), "verify store").ok();
    ferkd(at.path(), &format!("label scenes --out whole {STORE}")).ok();
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
    assert_eq!(asked(at.path()), "");
}

#[test]
fn what_was_told_to_stop_waits_in_the_queue_again() {
    let at = tempfile::tempdir().unwrap();
    script(at.path(), "stopped", "#!/bin/sh\nexit 130\n");
    script(at.path(), "wrong", "#!/bin/sh\nexit 2\n");
    for (program, code, requeued) in
        [("stopped", 130, "requeue 7_2\nrequeue 7\nrequeue 7\n"), ("wrong", 2, "")]
    {
        let path = at.path().join("bin").join(program);
        let program = [("FERKD", path.to_str().unwrap())];
        label(at.path(), "2", &program).fails(code, &[]);
        job(at.path(), "train-node.sbatch", &program).fails(code, &[]);
        job(at.path(), "train-nodes.sbatch", &program).fails(code, &[]);
        assert_eq!(asked(at.path()), requeued);
        let _ = fs::remove_file(at.path().join("scontrol.log"));
    }
}

#[test]
fn training_is_sent_again_until_it_is_done() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("label scenes --out store {STORE}")).ok();
    let small = "arch = \"resnet8\"\nwidth = 4\nside = 16\nepochs = 4\nbatch = 16\nregions-per-step = 2\n";
    fs::write(at.path().join("small.toml"), small).unwrap();
    fs::write(at.path().join("fkd.toml"), "supervision = \"fkd\"\n").unwrap();
    let variables = [("IMAGES", "scenes"), ("STORE", "store"), ("CONFIGS", "small.toml fkd.toml")];
    let one = [&variables[..], &[("RUN", "one"), ("DEVICE", "flex")]].concat();
    let first = job(at.path(), "train-node.sbatch", &one).ok();
    // The second time there is a run: without --resume that would be an error.
    let again = job(at.path(), "train-node.sbatch", &one).ok();
    assert!(first.stdout.contains("10 steps") && again.stdout.contains("10 steps"), "{again:?}");

    if !has_mpi() {
        return;
    }
    let two = [("RUN", "two"), ("DEVICE", "flex"), ("EXTRA", "--log-every 5"), ("SLURM_NTASKS", "2")];
    job(at.path(), "train-nodes.sbatch", &[&variables[..], &two].concat()).ok();
    assert!(at.path().join("two/summary.json").exists());
    assert_eq!(asked(at.path()), "");
}

/// Whether a word stands for the program.
fn is_program(word: &str) -> bool {
    matches!(word, "ferkd" | "$FERKD")
}

/// The words behind `ferkd` of every command line in a text, with where it stands.
fn command_lines(name: &str) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(repository(name)).unwrap();
    // A line that ends in a backslash goes on in the next one; in YAML, one that is indented and begins with a flag.
    let mut joined: Vec<String> = Vec::new();
    for line in text.lines() {
        let goes_on = name.ends_with(".yaml") && line.trim_start().starts_with("--");
        match joined.last_mut().filter(|last| last.ends_with('\\') || goes_on) {
            Some(last) => *last = format!("{} {}", last.trim_end_matches('\\'), line.trim()),
            None => joined.push(line.to_owned()),
        }
    }
    let mut found = Vec::new();
    let mut fenced = false;
    for line in joined {
        fenced ^= line.starts_with("```");
        let shown: Vec<&str> = match name.ends_with(".md") {
            // In a text: `ferkd ...` alone between its quotes.
            true if !fenced => line.split('`').skip(1).step_by(2).collect(),
            _ => line.split('#').next().into_iter().collect(),
        };
        for shown in shown {
            let words: Vec<&str> =
                shown.split_whitespace().map(|word| word.trim_matches(['"', '[', ']'])).collect();
            let begins = words.iter().position(|word| is_program(word));
            // Prose may mention it further on.
            let begins = begins.filter(|&at| at == 0 || !name.ends_with(".md"));
            let words =
                begins.map(|at| words[at + 1..].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            found.extend(
                words.filter(|words| !words.is_empty()).map(|words| (format!("{name}: {shown}"), words)),
            );
        }
    }
    found
}

/// The flags that the help of a command lists.
fn flags(at: &Path, command: &str) -> BTreeSet<String> {
    let help = ferkd(at, &format!("{command} --help")).ok().stdout;
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    // `-h, --help`, `--run <RUN>`, `--decay-all[=<true|false>]`
    let words = lines.flat_map(|line| line.split_whitespace().take(2));
    words.filter(|word| word.starts_with("--")).map(|word| flag(word).to_owned()).collect()
}

/// A flag without its value.
fn flag(word: &str) -> &str {
    word.split(['=', '[', ',']).next().unwrap_or(word)
}

#[test]
fn every_command_that_is_shown_has_its_flags() {
    let at = tempfile::tempdir().unwrap();
    let mut shown = command_lines("README.md");
    shown.extend(command_lines("docs/scale.md"));
    let in_docs = shown.len();
    let mut jobs: Vec<String> = fs::read_dir(repository("examples/jobs"))
        .unwrap()
        .map(|entry| format!("examples/jobs/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    jobs.sort();
    for job in &jobs {
        let lines = command_lines(job);
        assert_eq!(lines.len(), 1, "{job} runs one command: {lines:?}");
        shown.extend(lines);
    }
    assert!(in_docs >= 12 && jobs.len() >= 8, "{in_docs} in the docs, {} jobs", jobs.len());

    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, words) in shown {
        let bare = words.iter().take_while(|word| !word.starts_with('-'));
        // Commands of commands are told by their second word.
        let depth = if matches!(words[0].as_str(), "bench" | "import") { 2 } else { 1 };
        let command = bare.take(depth).cloned().collect::<Vec<_>>().join(" ");
        let known = known.entry(command.clone()).or_insert_with(|| flags(at.path(), &command));
        for word in words.iter().filter(|word| word.starts_with("--")) {
            assert!(known.contains(flag(word)), "{place}: `ferkd {command}` has no {word}: {known:?}");
        }
    }
}
