import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { install, installFailingAt } from '../support/install-run.ts'
import { bareRoot, hostArch, snapshot, tinyBundle } from '../support/tiny-bundle.ts'

let folder: string
let root: string
let first: string
let second: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-install-'))
  for (const name of ['edge', 'core', 'flow']) writeFileSync(join(folder, `${name}.yaml`), FILES[name as keyof typeof FILES])
  first = tinyBundle(folder, { version: '1.0.0' })
  second = tinyBundle(folder, { version: '1.1.0' })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  root = bareRoot(mkdtempSync(join(folder, 'root-')))
})

const FILES = {
  edge: 'gateway: g1\nstate: /var/lib/headrace\n',
  core: 'state: /var/lib/headrace\nlog: { sqlite: {} }\n',
  flow: 'pipeline: flow\n',
}
const edge = () => [
  '--role',
  'edge',
  '--root',
  root,
  '--config',
  join(folder, 'edge.yaml'),
  '--config',
  join(folder, 'flow.yaml'),
]

test('a dry run looks at everything and changes nothing', async () => {
  const before = snapshot(root)
  const { code, said } = await install([...edge(), '--offline', first, '--dry-run'])
  expect(said).toContain('would install headrace 1.0.0+aaaa as edge')
  expect(code).toBe(0)
  expect(snapshot(root)).toEqual(before)
})

test('a dry run leaves the lock of a run that is at work, and says what is done where no systemd runs', async () => {
  mkdirSync(join(root, 'opt/headrace'), { recursive: true })
  writeFileSync(join(root, 'opt/headrace/.lock'), '')
  const before = snapshot(root)
  const { code, said } = await install([...edge(), '--offline', first, '--dry-run'])
  expect(said).toContain('would enable headrace-edge.service, and start nothing')
  expect(code).toBe(0)
  expect(snapshot(root)).toEqual(before)
})

test('a dry run of what is installed already says that nothing would come beside it', async () => {
  await install([...edge(), '--offline', first])
  const { said } = await install([...edge(), '--offline', first, '--dry-run'])
  expect(said).toContain('headrace 1.0.0+aaaa is installed already')
  expect(said).not.toContain('beside')
})

test('a checksum in capitals, as other systems print it, is the same', async () => {
  const sum = execFileSync('sha256sum', [first], { encoding: 'utf8' }).slice(0, 64).toUpperCase()
  expect(await install([...edge(), '--offline', first, '--sha256', sum, '--dry-run'])).toMatchObject({ code: 0 })
})

test('a root that is named from where one stands', async () => {
  const args = [
    '--role',
    'edge',
    '--root',
    relative(process.cwd(), root),
    '--config',
    join(folder, 'edge.yaml'),
    '--offline',
    first,
  ]
  expect(await install(args)).toMatchObject({ code: 0 })
  expect(await install(['--uninstall', '--purge', '--root', relative(process.cwd(), root)])).toMatchObject({ code: 0 })
})

test('installs, again without a change, the next version beside it, back, and away', async () => {
  expect(await install([...edge(), '--offline', first])).toMatchObject({ code: 0 })
  expect(readFileSync(join(root, 'etc/headrace/edge.yaml'), 'utf8')).toBe(FILES.edge)
  expect(readFileSync(join(root, 'etc/headrace/pipelines/flow.yaml'), 'utf8')).toBe(FILES.flow)
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^headrace:/m)
  const installed = snapshot(root)
  const again = await install([...edge(), '--offline', first])
  expect(again.said).toContain('is installed as edge already')
  expect(snapshot(root)).toEqual(installed)
  expect(await install([...edge(), '--offline', second])).toMatchObject({ code: 0 })
  expect(readlinkSync(join(root, 'opt/headrace/current'))).toBe('versions/1.1.0+aaaa')
  expect(readlinkSync(join(root, 'opt/headrace/previous'))).toBe('versions/1.0.0+aaaa')
  expect(readFileSync(join(root, 'usr/local/share/man/man1/headrace.1'), 'utf8')).toBe('of 1.1.0\n')
  expect(await install(['--rollback', '--root', root])).toMatchObject({ code: 0 })
  expect(readlinkSync(join(root, 'opt/headrace/current'))).toBe('versions/1.0.0+aaaa')
  expect(readFileSync(join(root, 'usr/local/share/man/man1/headrace.1'), 'utf8')).toBe('of 1.0.0\n')
  expect(await install(['--uninstall', '--root', root])).toMatchObject({ code: 0 })
  const left = snapshot(root).join('\n')
  expect(left).toContain('etc/headrace/edge.yaml')
  expect(left).not.toMatch(/opt\/headrace|headrace-edge\.service|local\/bin\/headrace/)
  // As `systemctl edit` leaves it.
  mkdirSync(join(root, 'etc/systemd/system/headrace-edge.service.d'))
  writeFileSync(join(root, 'etc/systemd/system/headrace-edge.service.d/override.conf'), '[Service]\n')
  expect(await install(['--uninstall', '--purge', '--root', root])).toMatchObject({ code: 0 })
  expect(snapshot(root).join('\n')).not.toContain('headrace')
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).not.toContain('headrace')
})

/** The first lines of /etc/os-release as these systems have them: ID, ID_LIKE. */
const SYSTEMS = {
  'Debian GNU/Linux 12 (bookworm)': ['debian'],
  'Ubuntu 24.04.1 LTS': ['ubuntu', 'debian'],
  'Raspbian GNU/Linux 11 (bullseye)': ['raspbian', 'debian'],
  'Linux Mint 22': ['linuxmint', '"ubuntu debian"'],
  'Red Hat Enterprise Linux 9.4 (Plow)': ['"rhel"', '"fedora"'],
  'Rocky Linux 9.4 (Blue Onyx)': ['"rocky"', '"rhel centos fedora"'],
  'AlmaLinux 8.10 (Cerulean Leopard)': ['"almalinux"', '"rhel centos fedora"'],
  'Oracle Linux Server 9.4': ['"ol"', '"fedora"'],
  'CentOS Stream 9': ['"centos"', '"rhel fedora"'],
} as const
const OTHERS = {
  'Alpine Linux v3.20': ['alpine'],
  'openSUSE Leap 15.6': ['"opensuse-leap"', '"suse opensuse"'],
  'Arch Linux': ['arch'],
  'Poky (Yocto Project Reference Distro) 5.0': ['poky'],
  'Buildroot 2024.02': ['buildroot'],
  // A word within another is another system.
  'Not Debian': ['notdebian', '"debianish"'],
} as const
function asSystem(name: string, [id, like]: readonly [string, string?]): void {
  const lines = [`PRETTY_NAME="${name}"`, `ID=${id}`, ...(like === undefined ? [] : [`ID_LIKE=${like}`])]
  writeFileSync(join(root, 'etc/os-release'), `${lines.join('\n')}\n`)
}

test.each(Object.entries(SYSTEMS))('%s is a system that it is made for', async (name, ids) => {
  asSystem(name, ids)
  expect(await install([...edge(), '--offline', first, '--dry-run'])).toMatchObject({ code: 0 })
})

test.each(Object.entries(OTHERS))('%s is none, and is left alone', async (name, ids) => {
  asSystem(name, ids)
  const before = snapshot(root)
  const { code, said } = await install([...edge(), '--offline', first])
  expect(said).toContain(`${name} is none of the systems that Headrace is made for`)
  expect(code).toBe(2)
  expect(snapshot(root)).toEqual(before)
})

test('a configuration that is there is kept', async () => {
  await install([...edge(), '--offline', first])
  writeFileSync(join(root, 'etc/headrace/edge.yaml'), 'gateway: mine\n')
  await install([...edge(), '--offline', second])
  expect(readFileSync(join(root, 'etc/headrace/edge.yaml'), 'utf8')).toBe('gateway: mine\n')
})

describe('is refused before anything is touched:', () => {
  const refused = async (args: readonly string[], said: RegExp, env: Record<string, string> = {}) => {
    const before = snapshot(root)
    const ran = await install(args, env)
    expect(ran.said).toMatch(said)
    expect(ran.code).toBe(2)
    expect(snapshot(root)).toEqual(before)
  }
  test('a role that is none', () => refused(['--role', 'hub', '--root', root], /edge, core or all/))
  test('an option that is none', () => refused(['--rolle', 'edge'], /unknown option --rolle/))
  test.each(['--root', '--sha256', '--config'])('%s of a variable that was not set', option =>
    refused([...edge(), '--offline', first, option, ''], new RegExp(`${option} needs a value`)),
  )
  test('a checksum of what is not looked at', () =>
    refused([...edge(), '--sha256', '00'], /--sha256 says what the bundle of --offline has to be/))
  test.each(['--uninstall', '--rollback'])('a role to %s, which means all of it', async action => {
    await install([...edge(), '--offline', first])
    await refused([action, '--role', 'edge', '--root', root], /--role does not go with/)
  })
  test('a time that is none, of a way back', async () => {
    await install([...edge(), '--offline', first])
    await install([...edge(), '--offline', second])
    await refused(['--rollback', '--health-within', '90s', '--root', root], /number of seconds, not "90s"/)
  })
  test('nothing to install from', () => refused([...edge(), '--offline', '/nowhere.tar.xz'], /cannot read \/nowhere/))
  test('a configuration of another role', () =>
    refused(['--role', 'core', '--root', root, '--config', join(folder, 'edge.yaml'), '--offline', first], /of the role edge/))
  test('an image that is to have an identity', () =>
    refused([...edge(), '--offline', first, '--enroll', 'hr1.x'], /has no identity/))
  test('another machine', async () => {
    const other = tinyBundle(mkdtempSync(join(folder, 'b-')), { version: '1.0.0', arch: hostArch() === 'x64' ? 'arm64' : 'x64' })
    await refused([...edge(), '--offline', other], /this bundle is for/)
  })
  test('another checksum', () =>
    refused([...edge(), '--offline', first, '--sha256', '00'], /is damaged, or is not what was published/))
  test('a file within that was changed', async () => {
    const bad = join(mkdtempSync(join(folder, 'bad-')), 'headrace.tar.gz')
    const script = `tar -xzf '${first}' && echo x >>headrace-1.0.0-linux-${hostArch()}/systemd/headrace-edge.service && tar -czf headrace.tar.gz headrace-1.0.0-linux-${hostArch()}`
    execFileSync('sh', ['-c', script], { cwd: dirname(bad) })
    await refused([...edge(), '--offline', bad], /the bundle is damaged/)
  })
  test('half of a bundle', async () => {
    const half = join(mkdtempSync(join(folder, 'half-')), 'headrace.tar.gz')
    writeFileSync(half, readFileSync(first).subarray(0, 2_000))
    const before = snapshot(root)
    expect((await install([...edge(), '--offline', half])).code).not.toBe(0)
    expect(snapshot(root)).toEqual(before)
  })
  test('a configuration that is wrong', async () => {
    const strict = tinyBundle(mkdtempSync(join(folder, 'strict-')), { version: '1.0.0', validates: false })
    await refused([...edge(), '--offline', strict], /etc\/headrace\/edge\.yaml:1:1[\s\S]*the configuration is wrong/)
  })
  test('state that the version before could not read any more', async () => {
    await install([...edge(), '--offline', first])
    const newer = tinyBundle(mkdtempSync(join(folder, 'newer-')), { version: '2.0.0', stateBuffer: 3 })
    await refused([...edge(), '--offline', newer], /there is no way back/)
    expect(await install([...edge(), '--offline', newer, '--one-way'])).toMatchObject({ code: 0 })
    const back = await install(['--rollback', '--root', root])
    expect(back.said).toContain(
      'no way back: state of the buffer is written as version 3 by 2.0.0+aaaa, and 1.0.0+aaaa reads up to 2',
    )
    expect(back.code).toBe(1)
  })
})

test.each([9, 31])('step %i fails, and everything is as it was (install-steps.full.test.ts: each of them)', async step => {
  const before = snapshot(root)
  const { code, said } = await installFailingAt(step, [...edge(), '--offline', first], folder)
  expect(said).toContain('is made to fail')
  expect(code).not.toBe(0)
  expect(snapshot(root), said).toEqual(before)
})
