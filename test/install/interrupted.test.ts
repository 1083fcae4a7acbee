import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canMount, FakeMachine } from '../support/fake-machine.ts'
import { tinyBundle } from '../support/tiny-bundle.ts'

let folder: string
let first: string
let second: string
let machine: FakeMachine
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-machine-'))
  first = tinyBundle(folder, { version: '1.0.0' })
  second = tinyBundle(folder, { version: '1.1.0' })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  machine = new FakeMachine(mkdtempSync(join(folder, 'machine-')))
  for (const from of [first, second, fileURLToPath(new URL('../../install.sh', import.meta.url))])
    execFileSync('cp', [from, join(machine.root, 'root', basename(from))])
  writeFileSync(join(machine.root, 'root/edge.yaml'), 'gateway: g1\nstate: /var/lib/headrace\n')
  writeFileSync(join(machine.root, 'root/core.yaml'), 'state: /var/lib/headrace\nlog: { sqlite: {} }\n')
})
const installing = (bundle: string, more = '') =>
  `sh /root/install.sh --role all --config /root/edge.yaml --config /root/core.yaml --offline /root/${basename(bundle)} ${more}`

const RESTARTED = ['daemon-reload', 'restart headrace-core.service', 'restart headrace-edge.service']
const current = () => readlinkSync(join(machine.root, 'opt/headrace/current'))

describe.skipIf(!canMount())('on a machine of its own:', () => {
  test('where a service of the new version does not start, the other one is started anew in the old version too', async () => {
    await machine.run(installing(first))
    machine.when('restart headrace-core.service', 'exit 1')
    machine.told()
    expect(await machine.run(installing(second))).toMatchObject({ code: 1 })
    expect(current()).toBe('versions/1.0.0+aaaa')
    expect(machine.told().slice(-3)).toEqual(RESTARTED)
  })

  test('killed between the switch and the start of the services: the next run starts them, and the one after it changes nothing', async () => {
    machine.when('daemon-reload', 'kill -9 $PPID')
    expect((await machine.run(installing(first))).code).not.toBe(0)
    machine.when('daemon-reload', '')
    machine.told()
    expect(await machine.run(installing(first))).toMatchObject({ code: 0 })
    expect(machine.told()).toEqual(expect.arrayContaining(RESTARTED))
    expect((await machine.run(installing(first))).said).toContain('is installed as all already')
    expect(machine.told()).not.toContain('restart headrace-core.service')
  })

  test('killed while a link was switched: the next run switches it, and lays nothing into a version', async () => {
    await machine.run(installing(first))
    symlinkSync('versions/1.0.0+aaaa', join(machine.root, 'opt/headrace/current.headrace-new'))
    expect(await machine.run(installing(second))).toMatchObject({ code: 0 })
    expect(current()).toBe('versions/1.1.0+aaaa')
  })

  test('what it says goes to somebody who is gone, and everything is put back all the same', async () => {
    await machine.run(installing(first))
    machine.when('restart headrace-core.service', 'exit 1')
    await machine.run(`{ ${installing(second)}; } 2>&1 | true`)
    expect(current()).toBe('versions/1.0.0+aaaa')
  })

  test('interrupted again while everything is put back: that is done to the end', async () => {
    await machine.run(installing(first))
    machine.when('daemon-reload', 'kill -INT $PPID; kill -HUP $PPID')
    machine.told()
    expect(await machine.run(installing(second))).toMatchObject({ code: 130 })
    expect(current()).toBe('versions/1.0.0+aaaa')
    expect(machine.told().slice(-3)).toEqual(RESTARTED)
    expect(readdirSync(join(machine.root, 'opt/headrace')).toSorted()).toEqual(['current', 'versions'])
  })

  test('a program of another hand in the place of the link comes back where a step fails', async () => {
    const other = join(machine.root, 'local/bin/headrace')
    writeFileSync(other, '#!/bin/sh\necho mine\n')
    machine.when('restart headrace-core.service', 'exit 1')
    expect(await machine.run(installing(first))).toMatchObject({ code: 1 })
    expect(readFileSync(other, 'utf8')).toContain('mine')
  })

  test('a bundle that was unpacked under a umask of 077 is installed so that the services may start it', async () => {
    const script = `umask 077 && cd /root && tar --no-same-permissions -xzf ${basename(first)} && sh headrace-1.0.0-linux-*/install.sh --role all --no-service`
    expect(await machine.run(script)).toMatchObject({ code: 0 })
    const version = join(machine.root, 'opt/headrace/versions/1.0.0+aaaa')
    const modes = ['', 'bin', 'bin/headrace', 'RELEASE'].map(name => (statSync(join(version, name)).mode & 0o777).toString(8))
    expect(modes).toEqual(['755', '755', '755', '644'])
  })

  test('a configuration that is linked from elsewhere is the one that is checked', async () => {
    mkdirSync(join(machine.root, 'etc/headrace'), { recursive: true })
    mkdirSync(join(machine.root, 'srv'))
    writeFileSync(join(machine.root, 'srv/edge.yaml'), 'gateway: linked\n')
    symlinkSync('../../srv/edge.yaml', join(machine.root, 'etc/headrace/edge.yaml'))
    const strict = tinyBundle(mkdtempSync(join(folder, 'strict-')), { version: '1.0.0', validates: false })
    execFileSync('cp', [strict, join(machine.root, 'root', basename(strict))])
    const { code, said } = await machine.run(`sh /root/install.sh --role edge --offline /root/${basename(strict)}`)
    expect(said).toContain('/etc/headrace/edge.yaml:1:1')
    expect(code).toBe(2)
  })

  test('everything goes also where the state has a file system of its own, or is a link', async () => {
    await machine.run(installing(first))
    const mounted = 'mount -t tmpfs state /var/lib/headrace && echo x >/var/lib/headrace/kept'
    const away = 'sh /root/install.sh --uninstall --purge && ls -A /var/lib/headrace && ! grep headrace /etc/passwd'
    expect(await machine.run(`${mounted} && ${away} && [ -z "$(ls -A /var/lib/headrace)" ]`)).toMatchObject({ code: 0 })
    await machine.run(installing(first))
    const linked = 'rm -rf /var/lib/headrace && mkdir -p /srv/state && ln -s /srv/state /var/lib/headrace'
    const { code, said } = await machine.run(`${linked} && sh /root/install.sh --uninstall --purge`)
    expect(said).toContain('/var/lib/headrace is a link: what it leads to stays, /srv/state')
    expect(code).toBe(0)
  })

  test('a group that is there already gets its user, also without systemd-sysusers', async () => {
    execFileSync('cp', ['/etc/login.defs', join(machine.root, 'etc/login.defs')])
    const without = 'groupadd headrace && mount --bind /dev/null /usr/bin/systemd-sysusers'
    const { code, said } = await machine.run(`${without} && ${installing(first)}`)
    expect(code, said).toBe(0)
    expect(readFileSync(join(machine.root, 'etc/passwd'), 'utf8')).toMatch(/^headrace:/m)
  })

  test('a dry run says where it cannot look: no program may be started where it unpacks', async () => {
    const { code, said } = await machine.run(`mount -t tmpfs -o noexec tmp /tmp && ${installing(first, '--dry-run')}`)
    expect(said).toContain('no program may be started in /tmp')
    expect(code).toBe(2)
  })
})
