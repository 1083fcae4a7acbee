import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canBoot, DebianMachine } from '../support/debian-machine.ts'
import { asVersion } from '../support/other-version.ts'
import { makeBundle } from '../support/real-bundle.ts'
import { until } from '../support/until.ts'

const LIMIT_MS = 600_000
const INSTALLER = fileURLToPath(new URL('../../install.sh', import.meta.url))
const FILES = {
  'edge.yaml':
    'gateway: g1\nstate: /var/lib/headrace\nuplink: { url: "amqp://127.0.0.1:5672" }\npipelines: ["/etc/headrace/pipelines/*.yaml"]\n',
  'core.yaml':
    'state: /var/lib/headrace\nlog: { sqlite: {} }\ningress: { listen: "amqp://127.0.0.1:5672" }\npipelines: ["/etc/headrace/pipelines/*.yaml"]\n',
  'flow.yaml': 'pipeline: flow\nsources: { gen: { generator: { records_per_second: 20 } } }\n',
}

/*
  A Debian that is installed once, and from then on booted with a root that nobody can write, /var in memory, and the state on a file system of its
  own, which is bound in from outside.
*/
describe.skipIf(!canBoot())('an appliance whose root is read-only', () => {
  let folder: string
  let state: string
  let machine: DebianMachine
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-sealed-'))
    state = join(folder, 'state')
    for (const name of ['out', 'state', 'machine']) mkdirSync(join(folder, name))
    machine = new DebianMachine(join(folder, 'machine'))
    const media = join(machine.root, 'opt/media')
    mkdirSync(media, { recursive: true })
    const bundle = makeBundle(join(folder, 'out'))
    for (const path of [bundle, asVersion(bundle, '0.91.0'), INSTALLER]) cpSync(path, join(media, basename(path)))
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(media, name), text)
    await machine.boot()
  }, LIMIT_MS)
  afterAll(async () => {
    await machine?.dispose()
    rmSync(folder, { recursive: true, force: true })
  }, LIMIT_MS)

  const sealed = () => machine.boot('--volatile=state', `--bind=${state}:/var/lib/headrace`)
  const place = async () => {
    const { said } = await machine.run('headrace status --config /etc/headrace/core.yaml --json')
    const [source] = JSON.parse(said).core.sources
    return source as { first: number; next: number }
  }
  /** How many records the log has, once it has more than `more`. */
  const flows = (more: number) =>
    until(
      `the log has more than ${more} records`,
      async () => {
        const { next } = await place()
        return next > more ? next : undefined
      },
      120_000,
    ).catch(async cause => {
      throw new Error((await machine.run('journalctl -u "headrace-*" --no-pager -n 40; mount')).said, { cause })
    })

  test('is installed while it can be written', { timeout: LIMIT_MS }, async () => {
    const configs = Object.keys(FILES).map(name => `--config /opt/media/${name}`)
    const { code, said } = await machine.run(
      `sh /opt/media/install.sh --role all --offline "$(ls /opt/media/headrace-*.tar.gz | head -n 1)" ${configs.join(' ')}`,
    )
    expect(code, said).toBe(0)
    await machine.powerOff()
  })

  test('runs sealed, and goes on after its power was cut with all that it had', { timeout: LIMIT_MS }, async () => {
    await sealed()
    expect((await machine.run('touch /etc/x /opt/x /usr/x')).said.match(/Read-only file system/g)).toHaveLength(3)
    const before = await flows(20)
    await machine.cut()
    await sealed()
    expect(await flows(before)).toBeGreaterThan(before)
    // What the first life left is there, and numbers went on behind it.
    expect((await place()).first).toBe(0)
    const { said } = await machine.run('headrace status --config /etc/headrace/edge.yaml --json')
    const { sources, alarms } = JSON.parse(said).edge
    expect(sources[0]).toMatchObject({ state: 'reading', dropped: 0 })
    expect(alarms).toEqual([])
  })

  test('says that it cannot be upgraded like that, and touches nothing', { timeout: LIMIT_MS }, async () => {
    const { code, said } = await machine.run('sh /opt/media/install.sh --role all --offline /opt/media/headrace-0.91.0*.tar.gz')
    expect(said).toMatch(/read-only/i)
    expect(code).toBe(2)
    await flows((await place()).next)
  })
})
