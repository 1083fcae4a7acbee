import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canBoot, DebianMachine } from '../support/debian-machine.ts'
import { asVersion } from '../support/other-version.ts'
import { makeBundle } from '../support/real-bundle.ts'
import { until } from '../support/until.ts'

/*
  A Debian made by debootstrap, with systemd as its first process, in namespaces and without a network: nothing is stood in for but the
  devices (a generator). One machine lives through all of it, in order.
*/

const LIMIT_MS = 600_000
const FILES = {
  'edge.yaml':
    'gateway: g1\nstate: /var/lib/headrace\nuplink: { url: "amqp://127.0.0.1:5672" }\npipelines: ["/etc/headrace/pipelines/*.yaml"]\n',
  'core.yaml':
    'state: /var/lib/headrace\nlog: { sqlite: {} }\ningress: { listen: "amqp://127.0.0.1:5672" }\npipelines: ["/etc/headrace/pipelines/*.yaml"]\n',
  'flow.yaml': 'pipeline: flow\nsources: { gen: { generator: { records_per_second: 20 } } }\n',
}
const INSTALLER = fileURLToPath(new URL('../../install.sh', import.meta.url))
const PRELOAD = fileURLToPath(new URL('../cli/clock-preload.mjs', import.meta.url))

describe.skipIf(!canBoot())('on a Debian of its own', () => {
  let folder: string
  let machine: DebianMachine
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-appliance-'))
    const out = join(folder, 'out')
    mkdirSync(out)
    const first = makeBundle(out)
    const bundles = [
      first,
      asVersion(first, '0.91.0'),
      // Up, and says that it is ready; it never sends.
      asVersion(first, '0.92.0', code => code.replace(/link\.start\(\);/, '')),
      // Does not even start.
      asVersion(first, '0.93.0', (code, file) =>
        file === 'main.js' ? code.replace(/^(#!.*\n)?/, '$1if (process.argv[2] === "edge") process.exit(1);\n') : code,
      ),
    ]
    machine = new DebianMachine(mkdirp(join(folder, 'machine')))
    const media = mkdirp(join(machine.root, 'opt/media'))
    for (const path of [...bundles, INSTALLER, PRELOAD]) cpSync(path, join(media, basename(path)))
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(media, name), text)
    await machine.boot()
  }, LIMIT_MS)
  afterAll(async () => {
    await machine?.dispose()
    rmSync(folder, { recursive: true, force: true })
  }, LIMIT_MS)

  const versionOf = (name: string) => (name === 'first' ? '[0-9]*.[0-9]*' : name)
  const install = (version: string, ...more: readonly string[]) =>
    machine.run(
      `sh /opt/media/install.sh --role all --offline "$(ls /opt/media/headrace-${versionOf(version)}*-linux-*.tar.gz | head -n 1)" ${more.join(' ')}`,
    )
  const configs = Object.keys(FILES).map(name => `--config /opt/media/${name}`)
  const status = async (role: 'edge' | 'core') =>
    JSON.parse((await machine.run(`headrace status --config /etc/headrace/${role}.yaml --json`)).said)[role]
  const settled = async () => (await status('edge'))?.sources?.[0]?.settled ?? 0
  /** Waits until the log takes records anew, and gives how many it has. */
  const flows = async () => {
    const before = await settled()
    const more = async () => ((await settled()) > before ? await settled() : undefined)
    return until('records come into the log', more, 120_000).catch(async cause => {
      const { said } = await machine.run(
        'systemctl --no-pager status "headrace-*"; journalctl -u "headrace-*" --no-pager -n 40; headrace status --config /etc/headrace/edge.yaml',
      )
      throw new Error(said, { cause })
    })
  }
  const current = async () => (await machine.run('readlink /opt/headrace/current')).said.trim()

  test('a disk that is too small is refused, one that fills up leaves everything as it was', { timeout: LIMIT_MS }, async () => {
    const on = (options: string) =>
      machine.run(
        `mkdir -p /opt/headrace && mount -t tmpfs -o ${options} tmpfs /opt/headrace; sh /opt/media/install.sh --role all --offline /opt/media/headrace-0.91.0*.tar.gz; code=$?; ls -A /opt/headrace; umount /opt/headrace; rmdir /opt/headrace; ls -d /etc/headrace /usr/local/bin/headrace; exit $code`,
      )
    const small = await on('size=100m')
    expect(small.said).toMatch(/MiB are free for \/opt\/headrace, 250 are needed/)
    expect(small.code).toBe(2)
    // Room enough by what df says, and not one file more after the hundredth.
    const full = await on('size=400m,nr_inodes=100')
    expect(full.said).toMatch(/cannot be unpacked: it is damaged, or the disk is full[\s\S]*everything is as it was/)
    expect(full.said).not.toMatch(/\.work|^\/etc\/headrace$/m)
    expect(full.code).toBe(1)
  })

  test('installs without a network and with a clock of 1999, and records flow', { timeout: LIMIT_MS }, async () => {
    const { code, said } = await machine.run(
      `faketime '1999-12-31 23:00:00' sh /opt/media/install.sh --role all --offline "$(ls /opt/media/headrace-0.1*.tar.gz | head -n 1)" ${configs.join(' ')}`,
    )
    expect(said).toContain('installed headrace')
    expect(code).toBe(0)
    expect(await flows()).toBeGreaterThan(0)
    const { said: who } = await machine.run('ps -o user= -p $(systemctl show -P MainPID headrace-edge)')
    expect(who.trim()).toBe('headrace')
    expect((await install('0.1')).said).toContain('already')
  })

  test('the watchdog lets a process live that goes on, and ends one that is frozen', { timeout: LIMIT_MS }, async () => {
    await machine.run(
      'mkdir -p /run/systemd/system/headrace-edge.service.d && printf "[Service]\\nWatchdogSec=16\\n" >/run/systemd/system/headrace-edge.service.d/w.conf && systemctl daemon-reload && systemctl restart headrace-edge',
    )
    const shown = async (name: string) => (await machine.run(`systemctl show -P ${name} headrace-edge`)).said.trim()
    const fed = new Set<string>()
    await until('it was fed five times', async () => fed.add(await shown('WatchdogTimestampMonotonic')).size >= 5, 120_000)
    expect(await shown('NRestarts')).toBe('0')
    const pid = await shown('MainPID')
    await machine.run(`kill -STOP ${pid}`)
    await until(
      'another process runs',
      async () => (await shown('NRestarts')) !== '0' && (await shown('MainPID')) !== pid,
      180_000,
    )
    expect((await machine.run('journalctl -u headrace-edge --no-pager')).said).toContain('Watchdog timeout')
    await machine.run(
      'rm -r /run/systemd/system/headrace-edge.service.d && systemctl daemon-reload && systemctl restart headrace-edge',
    )
    await flows()
  })

  test('an upgrade goes on where the version before stopped', { timeout: LIMIT_MS }, async () => {
    const before = await flows()
    const { code, said } = await install('0.91.0')
    expect(said).toContain('edge 0.91.0: settling')
    expect(code).toBe(0)
    expect(await current()).toContain('versions/0.91.0+')
    expect(await flows()).toBeGreaterThan(before)
  })

  test.each([
    ['0.92.0', /the (edge|core) was settling, and is only (reading|running)/],
    ['0.93.0', /a service does not start/],
  ])('a version that does not do (%s) gives way to the one before by itself', { timeout: LIMIT_MS }, async (version, why) => {
    const units = await machine.run('cat /etc/systemd/system/headrace-*.service | sha256sum; ls /opt/headrace/versions')
    const { code, said } = await install(version, '--health-within 20')
    expect(said).toMatch(why)
    expect(said).toContain('everything is as it was')
    expect(code).toBe(1)
    expect(await current()).toContain('versions/0.91.0+')
    expect(await machine.run('cat /etc/systemd/system/headrace-*.service | sha256sum; ls /opt/headrace/versions')).toEqual(units)
    await flows()
    expect((await status('edge')).version).toBe('0.91.0')
  })

  test('headrace rollback goes back', { timeout: LIMIT_MS }, async () => {
    const { code, said } = await machine.run('headrace rollback')
    expect(said).toMatch(/back from 0\.91\.0\S* to 0\.1\./)
    expect(code).toBe(0)
    await flows()
    // Every number is in the log once: an offset is a number, and none was left out.
    const { said: tail } = await machine.run('headrace status --config /etc/headrace/core.yaml --json')
    const [place] = JSON.parse(tail).core.sources
    expect(place.first).toBe(0)
  })

  test('a clock that is wrong stops nothing', { timeout: LIMIT_MS }, async () => {
    const conf = '/run/systemd/system/headrace-edge.service.d/clock.conf'
    await machine.run(
      `mkdir -p $(dirname ${conf}) && printf "[Service]\\nEnvironment=LD_PRELOAD=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 \\"FAKETIME=@1999-12-31 23:00:00\\" DONT_FAKE_MONOTONIC=1\\n" >${conf} && systemctl daemon-reload && systemctl restart headrace-edge`,
    )
    await flows()
    await machine.run(`rm ${conf} && systemctl daemon-reload && systemctl restart headrace-edge`)
    await flows()
  })

  test('goes away, and its data only when it is told to', { timeout: LIMIT_MS }, async () => {
    expect((await machine.run('headrace --version')).code).toBe(0)
    expect(await machine.run('sh /opt/media/install.sh --uninstall')).toMatchObject({ code: 0 })
    expect(
      (await machine.run('systemctl list-unit-files "headrace*" --no-legend; ls -d /opt/headrace; command -v headrace')).said,
    ).not.toMatch(/service|^\/opt\/headrace$|bin/m)
    expect((await machine.run('ls /var/lib/headrace/edge/buffer.db /etc/headrace/edge.yaml')).code).toBe(0)
    // Comes back to what it left.
    expect(await install('0.91.0')).toMatchObject({ code: 0 })
    expect(await flows()).toBeGreaterThan(100)
    expect(await machine.run('sh /opt/media/install.sh --uninstall --purge')).toMatchObject({ code: 0 })
    expect((await machine.run('find /etc /var/lib /opt /usr/local -name "*headrace*" -not -path "/opt/media/*"')).said).toBe('')
    expect(readFileSync(join(machine.root, 'etc/passwd'), 'utf8')).not.toContain('headrace')
  })
})

function mkdirp(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}
