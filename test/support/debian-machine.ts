import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'

/** Outside of the checkout: a root is made once for all of them, and is not looked through by what looks through a checkout. */
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headrace-tests')
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'xz-utils', 'udev', 'faketime', 'procps']
const SUITE = 'bookworm'
const COMMAND_LIMIT_MS = 400_000
const BOOT_LIMIT_MS = 120_000

/** What these tests need of the machine that they run on; they are skipped where it is missing. */
export function canBoot(): boolean {
  const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`], { env: withSbin() }).status === 0
  return process.getuid?.() === 0 && ['debootstrap', 'systemd-nspawn', 'nsenter', 'unshare'].every(has)
}

function withSbin(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
}

/** A Debian root made by debootstrap, once; from where the machine's own apt gets its packages. */
function debianRoot(): string {
  const root = join(CACHE, `debian-${SUITE}`)
  if (existsSync(root)) return root
  const fresh = `${root}.${process.pid}`
  const sites = execFileSync('apt-get', ['indextargets', '--format', '$(SITE) $(CODENAME)', 'Created-By: Packages'], {
    encoding: 'utf8',
  })
  const [site] =
    sites
      .split('\n')
      .find(line => line.endsWith(` ${SUITE}`))
      ?.split(' ') ?? []
  if (site === undefined) throw new Error(`apt has no source of ${SUITE}`)
  mkdirSync(CACHE, { recursive: true })
  execFileSync('debootstrap', ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, fresh, site], {
    env: withSbin(),
    stdio: 'ignore',
  })
  for (const unit of ['systemd-firstboot.service', 'systemd-networkd-wait-online.service'])
    execFileSync('ln', ['-sf', '/dev/null', join(fresh, 'etc/systemd/system', unit)])
  renameSync(fresh, root)
  return root
}

export interface Ran {
  readonly code: number
  readonly said: string
}

/** A Debian with systemd as its first process, in namespaces of its own and without a network; over a root of which it changes nothing. */
export class DebianMachine {
  /** Its root file system, as seen from outside. */
  readonly root: string
  readonly #folder: string
  #nspawn: ChildProcess | undefined
  #leader: number | undefined

  /** `folder`: an empty one, for what it writes. */
  constructor(folder: string) {
    this.#folder = folder
    this.root = join(folder, 'root')
    for (const name of ['root', 'upper', 'work']) mkdirSync(join(folder, name))
    const layers = `lowerdir=${debianRoot()},upperdir=${join(folder, 'upper')},workdir=${join(folder, 'work')}`
    execFileSync('mount', ['-t', 'overlay', 'headrace-test', '-o', layers, this.root])
  }

  /** Boots it; `options` of systemd-nspawn. Resolves when systemd has started everything. */
  async boot(...options: readonly string[]): Promise<void> {
    const args = [
      '--directory',
      this.root,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--private-network',
      '--console=pipe',
      ...options,
    ]
    const child = spawn('systemd-nspawn', [...args, `--machine=headrace-test-${process.pid}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const console = createWriteStream(join(this.#folder, 'console.log'), { flags: 'a' })
    child.stdout.pipe(console, { end: false })
    child.stderr.pipe(console, { end: false })
    this.#nspawn = child
    await until(
      'systemd is up',
      async () => {
        this.#leader = childOf(child.pid ?? 0)
        if (this.#leader === undefined) return false
        const { said } = await this.run('systemctl is-system-running')
        return /running|degraded/.test(said)
      },
      BOOT_LIMIT_MS,
    )
  }

  /** Runs a line of shell in it. */
  run(line: string): Promise<Ran> {
    return new Promise(resolve => {
      const args = ['--target', String(this.#leader), '--all', '--', '/bin/sh', '-c', `PATH=/usr/local/bin:$PATH; cd /; ${line}`]
      execFile('nsenter', args, { timeout: COMMAND_LIMIT_MS, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, said: `${stdout}${stderr}` }),
      )
    })
  }

  async powerOff(): Promise<void> {
    const child = this.#nspawn
    if (!child) return
    this.#nspawn = undefined
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const limit = setTimeout(() => child.kill('SIGKILL'), BOOT_LIMIT_MS)
      await ended
      clearTimeout(limit)
    }
  }

  /** All of its processes are gone from one moment to the next, the first one as well. */
  async cut(): Promise<void> {
    const child = this.#nspawn
    if (!child || this.#leader === undefined) return
    this.#nspawn = undefined
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    process.kill(this.#leader, 'SIGKILL')
    await ended
  }

  async dispose(): Promise<void> {
    await this.powerOff()
    spawnSync('umount', ['--recursive', this.root])
    if (statSync(this.root).dev === statSync(this.#folder).dev) rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The first process of a container: the only child of systemd-nspawn. */
function childOf(pid: number): number | undefined {
  const { stdout } = spawnSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' })
  const found = Number(stdout.trim().split('\n')[0])
  return found > 0 ? found : undefined
}
