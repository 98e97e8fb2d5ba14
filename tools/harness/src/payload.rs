// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Builds the module for the guest's kernel, the test and example programs, and packs them with the
//! guest's scripts into a disk image and an initramfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::settings::{Flavour, Settings};
use crate::{command, Result};

/// The files that a guest boots from, beside its kernel and root file system.
pub struct Payload {
    /// Disk image; overlays the root file system.
    pub squashfs: PathBuf,
    /// initramfs; mounts both and switches to them.
    pub initrd: PathBuf,
    /// The module in the image. Empty if the kernel has Barium itself.
    pub module: PathBuf,
}

/// Directories with programs for any guest kernel, each with its name below /barium in the guest.
#[derive(Clone)]
pub struct Programs(Vec<(PathBuf, &'static str)>);

/// Returns the programs of the benchmark.
pub fn bench_programs(dir: &Path) -> Programs {
    Programs(vec![(dir.into(), "bin")])
}

/// Builds the IGT tests, the examples, and the module for tests. tools/barium has built the fuzzer.
pub fn programs(settings: &Settings) -> Result<Programs> {
    with_test_module(settings, &user_programs(settings)?)
}

/// Like [`programs`], without the module for tests.
pub fn user_programs(settings: &Settings) -> Result<Programs> {
    let igt = c_programs(settings, "igt-tests", "igt")?;
    let Programs(mut programs) = examples(settings)?;
    programs.push((igt, "igt"));
    // tools/barium builds the fuzzer before it starts the harness, if a guest runs it.
    let fuzz = settings.out.join("fuzz/programs");
    command::dir(&fuzz)?;
    programs.push((fuzz, "fuzz"));
    Ok(Programs(programs))
}

/// Builds the examples.
pub fn examples(settings: &Settings) -> Result<Programs> {
    let examples = c_programs(settings, "examples", "examples")?;
    Ok(Programs(vec![(examples, "bin")]))
}

/// Builds the C programs in the directory `source` of the source tree into `output` below the build
/// products.
fn c_programs(settings: &Settings, source: &str, output: &str) -> Result<PathBuf> {
    let output = settings.out.join(output);
    let log = logs(&settings.out)?.join(format!("{source}.log"));
    let mut make = Command::new("make");
    make.arg("-C")
        .arg(settings.source.join(source))
        .arg(format!("OUT={}", output.display()))
        .arg("-j2");
    if let Some(cross) = &settings.arch.cross {
        cross.add_compiler(&mut make, &sysroot(settings));
        // Distributions have libigt for x86 only.
        make.arg("IGT_CORE=1");
    }
    command::build_in(&output, || command::logged(&mut make, &log))?;
    Ok(output)
}

/// Returns the directory with what programs for another architecture are compiled and linked with.
fn sysroot(settings: &Settings) -> PathBuf {
    settings.guest.join("sysroot")
}

/// Builds the module and packs disk image and initramfs for guests with this kernel.
pub fn build(settings: &Settings, flavour: Flavour, programs: &Programs) -> Result<Payload> {
    let module = module(settings, flavour, &settings.source, &settings.out)?;
    pack(settings, flavour, &module, programs, &settings.out)
}

/// Like [`pack`], but for a kernel that has Barium itself, built in or among its installed modules.
pub fn pack_installed(
    settings: &Settings,
    flavour: Flavour,
    programs: &Programs,
    work: &Path,
) -> Result<Payload> {
    pack_modules(settings, flavour, None, programs, work)
}

fn logs(work: &Path) -> Result<PathBuf> {
    let logs = work.join("log");
    command::dir(&logs)?;
    Ok(logs)
}

/// Packs disk image and initramfs for guests with this kernel and `module` under `work`.
pub fn pack(
    settings: &Settings,
    flavour: Flavour,
    module: &Path,
    programs: &Programs,
    work: &Path,
) -> Result<Payload> {
    pack_modules(settings, flavour, Some(module), programs, work)
}

fn pack_modules(
    settings: &Settings,
    flavour: Flavour,
    module: Option<&Path>,
    programs: &Programs,
    work: &Path,
) -> Result<Payload> {
    let logs = logs(work)?;
    let stage = work.join(format!("stage-{}", flavour.name()));
    command::fresh_dir(&stage)?;
    stage_modules(settings, flavour, module, &stage, &logs)?;
    let ours = stage.join("barium");
    command::dir(&ours)?;
    copy(&settings.source.join("tools/guest"), &ours.join("guest"))?;
    copy(
        &settings.source.join("igt-tests/xfails"),
        &ours.join("xfails"),
    )?;
    for (dir, name) in &programs.0 {
        copy(dir, &ours.join(name))?;
    }

    let squashfs = work.join(format!("payload-{}.squashfs", flavour.name()));
    command::logged(
        Command::new("mksquashfs").args([&stage, &squashfs]).args([
            "-noappend",
            "-no-progress",
            "-quiet",
            "-all-root",
            "-noI",
            "-noD",
            "-noF",
            "-noX",
        ]),
        &logs.join("payload.log"),
    )?;
    let initrd = build_initrd(settings, flavour, work, &logs)?;
    Ok(Payload {
        squashfs,
        initrd,
        module: module.unwrap_or(Path::new("")).into(),
    })
}

/// Builds the module for tests for each kernel, and adds it to `programs`: as `NAME/barium_entry.ko`, where
/// NAME is that of the kernel.
pub fn with_test_module(settings: &Settings, programs: &Programs) -> Result<Programs> {
    let source = settings.source.join("test-module");
    let all = settings.out.join("test-module");
    let logs = logs(&settings.out)?;
    command::fresh_dir(&all)?;
    for flavour in Flavour::ALL.into_iter().filter(|f| f.is_there()) {
        let built = build_module(settings, flavour, &source, &settings.out, "test-module")?;
        let name = "barium_entry.ko";
        let dir = all.join(flavour.name());
        command::dir(&dir)?;
        strip(settings, &built.join(name), &dir.join(name), &logs)?;
    }
    let mut programs = programs.clone();
    programs.0.push((all, "test-module"));
    Ok(programs)
}

/// Removes what [`with_test_module`] has built for this kernel. A kernel that was built again needs that.
pub fn forget_test_module(settings: &Settings, flavour: Flavour) -> Result<()> {
    command::fresh_dir(&settings.out.join(format!("test-module-{}", flavour.name())))
}

/// Strips debugging information, which no guest needs.
fn strip(settings: &Settings, module: &Path, stripped: &Path, logs: &Path) -> Result<()> {
    let objcopy = match settings.arch.is_native() {
        true => "objcopy",
        false => "llvm-objcopy",
    };
    command::logged(
        Command::new(objcopy)
            .arg("--strip-debug")
            .args([module, stripped]),
        &logs.join("objcopy.log"),
    )
}

/// Builds the module of the tree `source` for this kernel below `work` and returns its path.
pub fn module(
    settings: &Settings,
    flavour: Flavour,
    source: &Path,
    work: &Path,
) -> Result<PathBuf> {
    let output = build_module(settings, flavour, source, work, "module")?;
    Ok(output.join("drivers/gpu/drm/barium/barium.ko"))
}

/// Builds the modules in `source` for this kernel in a directory below `work`, which is named after `what`
/// and the kernel. Returns that directory.
fn build_module(
    settings: &Settings,
    flavour: Flavour,
    source: &Path,
    work: &Path,
    what: &str,
) -> Result<PathBuf> {
    let logs = logs(work)?;
    let output = work.join(format!("{what}-{}", flavour.name()));
    command::build_in(&output, || {
        command::logged(
            Command::new("make")
                .arg("-C")
                .arg(flavour.build_dir())
                .args(flavour.make_arguments())
                .args(settings.arch.cross.iter().flat_map(|cross| cross.module))
                .arg(format!("M={}", source.display()))
                .arg(format!("MO={}", output.display()))
                .args(["-j2", "modules"]),
            &logs.join(format!("{what}-{}.log", flavour.name())),
        )
    })?;
    Ok(output)
}

/// Stages the kernel's own modules, `module`, and modprobe's index.
fn stage_modules(
    settings: &Settings,
    flavour: Flavour,
    module: Option<&Path>,
    stage: &Path,
    logs: &Path,
) -> Result<()> {
    let installed = flavour.build_dir().join("modules");
    let release = command::read_lossy(&installed.join("release"))
        .trim()
        .to_string();
    let modules = stage.join("usr/lib/modules");
    command::dir(&modules)?;
    copy(
        &installed.join("lib/modules").join(&release),
        &modules.join(&release),
    )?;
    if let Some(module) = module {
        let extra = modules.join(&release).join("extra");
        command::dir(&extra)?;
        strip(settings, module, &extra.join("barium.ko"), logs)?;
    }
    // Debian's kmod looks for modules in usr/lib only if lib is a link to it.
    std::os::unix::fs::symlink("usr/lib", stage.join("lib")).map_err(|e| format!("lib: {e}"))?;
    command::logged(
        Command::new("depmod").arg("-b").arg(stage).arg(&release),
        &logs.join(format!("depmod-{}.log", flavour.name())),
    )?;
    fs::remove_file(stage.join("lib")).map_err(|e| format!("lib: {e}"))
}

/// Builds the initramfs. It has the modules that a distribution's kernel needs to mount the disks.
fn build_initrd(
    settings: &Settings,
    flavour: Flavour,
    work: &Path,
    logs: &Path,
) -> Result<PathBuf> {
    let stage = work.join("stage-initrd");
    command::fresh_dir(&stage)?;
    for name in ["bin", "dev", "root", "payload", "overlay", "new"] {
        command::dir(&stage.join(name))?;
    }
    let root = match settings.arch.is_native() {
        true => PathBuf::from("/"),
        false => sysroot(settings),
    };
    copy(&root.join("usr/bin/busybox"), &stage.join("bin/busybox"))?;
    copy(
        &settings.source.join("tools/guest/initramfs.sh"),
        &stage.join("init"),
    )?;
    let modules = flavour.build_dir().join("modules/boot");
    if modules.exists() {
        copy(&modules, &stage.join("modules"))?;
    }
    let initrd = work.join(format!("initrd-{}.cpio", flavour.name()));
    command::logged(
        Command::new("sh")
            .args([
                "-c",
                "cd \"$1\" && find . | cpio --quiet -o -H newc >\"$2\"",
                "sh",
            ])
            .args([&stage, &initrd]),
        &logs.join("initrd.log"),
    )?;
    Ok(initrd)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "{} cannot be copied to {}",
            from.display(),
            to.display()
        )),
    }
}
