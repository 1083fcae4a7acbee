import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256 } from '../../scripts/bundle/archive.ts'
import { makeBundle } from '../support/real-bundle.ts'
import { hostArch } from '../support/tiny-bundle.ts'
import { until } from '../support/until.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const QEMU = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu']
const LIMIT_MS = 600_000
/** What is asked of the parts that are prebuilt: each does something that only it can. */
const NATIVE_PARTS = `
const load = require('node:module').createRequire(process.argv[1] + '/')
const Database = load('better-sqlite3')
const sum = new Database(':memory:').prepare('SELECT 40 + 2 AS sum').get().sum
const { LinuxBinding } = load('@serialport/bindings-cpp')
const crc = load('@node-rs/crc32').crc32c(Buffer.from('123456789')).toString(16)
const own = load('koffi').load(null).func('int getpid()')() === process.pid
console.log([process.arch, sum, typeof LinuxBinding.open, crc, own].join(' '))`

let folder: string
let into: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-bundle-'))
  into = unpacked(makeBundle(join(folder, 'whole')))
}, LIMIT_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Another clone of what is committed here, with the same packages. */
function clone(name: string): string {
  const root = join(folder, name)
  execFileSync('git', ['clone', '--quiet', '--shared', ROOT, root])
  execFileSync('cp', ['-al', join(ROOT, 'node_modules'), root])
  mkdirSync(join(root, '.cache'))
  execFileSync('cp', ['-al', join(ROOT, '.cache/bundle'), join(root, '.cache/bundle')])
  return root
}

function unpacked(bundle: string): string {
  const into = mkdtempSync(join(folder, 'unpacked-'))
  execFileSync('tar', ['-xzf', bundle, '-C', into, '--strip-components=1'])
  return into
}

test('two clones of a commit make the same bytes, and a changed one does not', { timeout: LIMIT_MS }, () => {
  const [one, other] = [clone('one'), clone('a-clone-in-another-place')]
  const sums = [one, other].map(root => sha256(makeBundle(join(root, 'dist'), hostArch(), root)))
  expect(sums[1]).toBe(sums[0])
  writeFileSync(
    join(other, 'src/cli/version.ts'),
    `${readFileSync(join(other, 'src/cli/version.ts'), 'utf8')}\nexport const CHANGED = 1\n`,
  )
  expect(sha256(makeBundle(join(other, 'dist'), hostArch(), other))).not.toBe(sums[0])
})

test('holds what it needs and no more, and every file fits its checksum', () => {
  execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: into })
  const files = readdirSync(into, { recursive: true, encoding: 'utf8' })
  for (const needed of [
    'bin/node',
    'install.sh',
    'systemd/headrace-edge.service',
    'share/man/man1/headrace.1',
    'docs/install.md',
    'licenses/node/LICENSE',
  ])
    expect(files).toContain(needed)
  const unwanted = files.filter(file =>
    /\.(map|d\.ts|cc?|cpp|h|gyp)$|(musl|win32|darwin)[^/]*(\/[^/]*)?\.node$|\/typescript\/|\/vitest\//.test(file),
  )
  expect(unwanted).toEqual([])
  const sbom = JSON.parse(readFileSync(join(into, 'sbom.cdx.json'), 'utf8'))
  expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' })
  const names: string[] = sbom.components.map(({ group, name }: { group?: string; name: string }) =>
    group ? `${group}/${name}` : name,
  )
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  for (const name of [...Object.keys(dependencies), `node-linux-${hostArch()}`]) expect(names).toContain(name)
  expect(names).not.toContain('vitest')
})

test('knows when it was made by its commit: a core whose certificate was over by then is refused, with nobody moving a date on', () => {
  const { released } = JSON.parse(readFileSync(join(into, 'app/package.json'), 'utf8')) as { released: string }
  const committed = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' })
  expect(Date.parse(released)).toBe(Number(committed) * 1_000)
})

test('a device profile was looked for beside its folder, so that no example with one was right', () => {
  const examples = readdirSync(join(into, 'examples'))
    .filter(file => /(?<!\.test)\.yaml$/.test(file))
    .map(file => join(into, 'examples', file))
  expect(examples.length).toBeGreaterThan(3)
  const wrong = examples.map(file => spawnSync(join(into, 'bin/headrace'), ['validate', file], { encoding: 'utf8' }).stderr)
  expect(wrong.filter(text => text !== '')).toEqual([])
  // It says what profiles there are where one is not there.
  const typo = join(folder, 'typo.yaml')
  writeFileSync(typo, 'pipeline: p\nsources: { m: { modbus: { tcp: "h:502", device: eastron-sdm12 } } }\n')
  expect(spawnSync(join(into, 'bin/headrace'), ['validate', typo], { encoding: 'utf8' }).stderr).toContain('eastron-sdm120')
})

test('runs a whole pipeline with nothing but itself', { timeout: LIMIT_MS }, async () => {
  writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources: { g: { generator: { records_per_second: 50 } } }\n')
  const env = { PATH: '/usr/bin:/bin', HOME: folder }
  const run = execFileSync
  const started = spawnSync('sh', ['-c', `cd '${folder}' && '${into}/bin/headrace' up p.yaml --state s >out 2>err & echo $!`], {
    env,
    encoding: 'utf8',
  })
  const pid = Number(started.stdout.trim())
  try {
    await until(
      'records are in the log',
      () => {
        const status = JSON.parse(
          run(join(into, 'bin/headrace'), ['status', '--state', join(folder, 's'), '--json'], { env, encoding: 'utf8' }),
        )
        return status.edge?.sources?.[0]?.settled > 20
      },
      120_000,
    )
  } finally {
    process.kill(pid, 'SIGTERM')
  }
})

test('every native part runs, that by which memory is given back too', () => {
  const said = execFileSync(join(into, 'bin/node'), ['-e', NATIVE_PARTS, join(into, 'app')], { encoding: 'utf8' })
  expect(said.trim()).toBe(`${hostArch()} 42 function e3069283 true`)
})

const canEmulate = spawnSync(QEMU[0] ?? '', ['--version']).status === 0 && hostArch() === 'x64'
test.skipIf(!canEmulate)('for arm64, Node and every native part run (under qemu)', { timeout: LIMIT_MS }, () => {
  const arm = unpacked(makeBundle(join(folder, 'arm'), 'arm64'))
  const [program = '', ...args] = [...QEMU, join(arm, 'bin/node')]
  const version = execFileSync(program, [...args, join(arm, 'app/lib/headrace/main.js'), '--version'], { encoding: 'utf8' })
  expect(version).toMatch(/linux-arm64\)/)
  const said = execFileSync(program, [...args, '-e', NATIVE_PARTS, join(arm, 'app')], { encoding: 'utf8' })
  expect(said.trim()).toBe('arm64 42 function e3069283 true')
})
