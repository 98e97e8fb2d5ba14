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
pub struct Programs(Vec<(PathBuf, &'static str)>);

/// Returns the programs of the benchmark.
pub fn bench_programs(dir: &Path) -> Programs {
    Programs(vec![(dir.into(), "bin")])
}

/// Builds the IGT tests and the examples. tools/barium has built the fuzzer.
pub fn programs(settings: &Settings) -> Result<Programs> {
    let igt = c_programs(settings, "igt-tests", "igt")?;
    let Programs(mut programs) = examples(settings)?;
    // tools/barium builds the fuzzer before it starts the harness.
    let fuzz = settings.out.join("fuzz/programs");
    command::dir(&fuzz)?;
    programs.extend([(igt, "igt"), (fuzz, "fuzz")]);
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
    command::build_in(&output, || {
        command::logged(
            Command::new("make")
                .arg("-C")
                .arg(settings.source.join(source))
                .arg(format!("OUT={}", output.display()))
                .arg("-j2"),
            &log,
        )
    })?;
    Ok(output)
}

/// Builds the module and packs disk image and initramfs for guests with this kernel.
pub fn build(settings: &Settings, flavour: Flavour, programs: &Programs) -> Result<Payload> {
    let module = module(flavour, &settings.source, &settings.out)?;
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
    stage_modules(flavour, module, &stage, &logs)?;
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

/// Builds the module of the tree `source` for this kernel below `work` and returns its path.
pub fn module(flavour: Flavour, source: &Path, work: &Path) -> Result<PathBuf> {
    let logs = logs(work)?;
    let output = work.join(format!("module-{}", flavour.name()));
    command::build_in(&output, || {
        command::logged(
            Command::new("make")
                .arg("-C")
                .arg(flavour.build_dir())
                .args(flavour.make_arguments())
                .arg(format!("M={}", source.display()))
                .arg(format!("MO={}", output.display()))
                .args(["-j2", "modules"]),
            &logs.join(format!("module-{}.log", flavour.name())),
        )
    })?;
    Ok(output.join("drivers/gpu/drm/barium/barium.ko"))
}

/// Stages the kernel's own modules, `module`, and modprobe's index.
fn stage_modules(flavour: Flavour, module: Option<&Path>, stage: &Path, logs: &Path) -> Result<()> {
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
        // Strips debugging information, which no guest needs.
        command::logged(
            Command::new("objcopy")
                .arg("--strip-debug")
                .args([module, &extra.join("barium.ko")]),
            &logs.join(format!("objcopy-{}.log", flavour.name())),
        )?;
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
    copy(Path::new("/usr/bin/busybox"), &stage.join("bin/busybox"))?;
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
