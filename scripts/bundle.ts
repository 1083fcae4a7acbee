/** `npm run bundle`: everything that an installation needs in one file for each machine, the same bytes from the same commit. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { SCHEMA_VERSION as BUFFER_VERSION } from '../src/buffer/schema.ts'
import { SCHEMA_VERSION as LOG_VERSION } from '../src/log/sqlite/schema.ts'
import { LEDGER_VERSIONS } from '../src/reader/ledger-schema.ts'
import { readArguments } from './arguments.ts'
import { archive, seal, sha256 } from './bundle/archive.ts'
import { ROOT, readJson } from './bundle/compile.ts'
import { layProgram, missingFor } from './bundle/program.ts'
import { sbom } from './bundle/sbom.ts'
import { ARCHES, type Arch, NODE_VERSION } from './bundle/targets.ts'
import type { LockFile } from './sbom/bill.ts'

const MIB = 2 ** 20

const values = readArguments<{ arch?: readonly Arch[]; out: string; quick?: true }>(
  new Command('npm run bundle --')
    .description('Makes what is installed: one file for each machine.')
    .addOption(new Option('--arch <machines...>', 'for these alone: nothing else has prebuilt parts').choices(ARCHES))
    .option('--out <folder>', 'where it goes', 'dist')
    .option('--quick', 'compressed by gzip, in seconds'),
)
const arches = ARCHES.filter(arch => values.arch === undefined || values.arch.includes(arch))
// Before the minutes that the first takes.
const missing = arches.map(missingFor).filter(each => each !== undefined)
if (missing.length > 0) {
  process.stderr.write(`${missing.join('\n')}\n`)
  process.exit(1)
}
const out = resolve(ROOT, values.out)
mkdirSync(out, { recursive: true })
const { version, dependencies } = readJson<{ version: string; dependencies: Record<string, string> }>(join(ROOT, 'package.json'))
if (dependencies['node'] !== NODE_VERSION) throw new Error(`scripts/bundle/targets.ts is for another Node than package.json`)

const { build, epoch } = commit()
const files: string[] = []
for (const arch of arches) {
  const path = await bundle(arch)
  files.push(path)
  process.stdout.write(
    `${path}: ${(statSync(path).size / MIB).toFixed(1)} MiB, headrace ${version} build ${build} for linux-${arch}\n`,
  )
}
cpSync(join(ROOT, 'install.sh'), join(out, 'install.sh'))
writeFileSync(
  join(out, 'SHA256SUMS'),
  [...files, join(out, 'install.sh')].map(path => `${sha256(path)}  ${basename(path)}\n`).join(''),
)

async function bundle(arch: Arch): Promise<string> {
  const folder = join(out, `headrace-${version}-linux-${arch}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await layProgram(folder, { root: ROOT, cache: join(ROOT, '.cache/bundle'), arch, version, build, epoch })
  for (const [from, to] of [
    ['install.sh', 'install.sh'],
    ['LICENSE', 'LICENSE'],
    ['CHANGELOG.md', 'CHANGELOG.md'],
    ['deploy/systemd', 'systemd'],
    ['deploy/bundle/headrace', 'bin/headrace'],
    ['hardware/udev', 'udev'],
    ['pipelines', 'examples'],
  ] as const)
    cpSync(join(ROOT, from), join(folder, to), { recursive: true })
  cpSync(join(ROOT, 'docs'), join(folder, 'docs'), { recursive: true, filter: path => !/\/docs\/(images|decisions)$/.test(path) })
  for (const [kind, path] of [
    ['man', 'share/man/man1/headrace.1'],
    ['bash', 'share/bash-completion/completions/headrace'],
    ['zsh', 'share/zsh/site-functions/_headrace'],
  ] as const) {
    const text = execFileSync(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'completion', kind])
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  writeFileSync(
    join(folder, 'sbom.cdx.json'),
    sbom({ lock: readJson<LockFile>(join(ROOT, 'package-lock.json')), arch, version, build, epoch }),
  )
  writeFileSync(join(folder, 'RELEASE'), release(arch))
  seal(folder)
  const path = archive(folder, epoch, values.quick ? 'gzip' : 'xz')
  rmSync(folder, { recursive: true })
  return path
}

/** What install.sh has to know of a version, a line each: it has no more than `sed` to read it with. */
function release(arch: Arch): string {
  const state = `state_buffer=${BUFFER_VERSION}\nstate_log=${LOG_VERSION}\nstate_readers=${LEDGER_VERSIONS.length}\n`
  return `version=${version}\nbuild=${build}\narch=${arch}\n${state}`
}

/** Which sources these are, and of when: what git says, or nothing more than the version where there is no git. */
function commit(): { build: string; epoch: number } {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const changed = git('status', '--porcelain') === '' ? '' : '.modified'
    return { build: `${git('rev-parse', '--short=10', 'HEAD')}${changed}`, epoch: Number(git('log', '-1', '--format=%ct')) }
  } catch {
    // A tarball of the sources: it has no commit, and no time that would be the same for everybody.
    return { build: 'source', epoch: 0 }
  }
}
