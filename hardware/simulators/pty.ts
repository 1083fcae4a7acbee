import { type ChildProcess, spawn } from 'node:child_process'
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { HeadraceError } from '../../src/runtime/errors.ts'

/** How long `script` may take to make the terminal, ms. */
const OPEN_LIMIT_MS = 5_000

/**
 * A real pseudo terminal without a native module: util-linux' `script` makes it and prints its path; from then on what is written here comes out of
 * that port, and what is written to the port arrives here, all 256 byte values unharmed.
 */
export class Pty {
  readonly path: string
  readonly #child: ChildProcess
  readonly #link: string | undefined
  readonly #readers: ((bytes: Buffer) => void)[] = []

  private constructor(child: ChildProcess, path: string, link: string | undefined) {
    this.#child = child
    this.path = path
    this.#link = link
    child.stdout?.on('data', (bytes: Buffer) => {
      for (const reader of this.#readers) reader(bytes)
    })
  }

  /** Opens a terminal; with `link`, that path leads to it, as /dev/serial/by-id does to a port. */
  static async open(link?: string): Promise<Pty> {
    if (link !== undefined) makeWayFor(link)
    const child = spawn('script', ['-q', '-f', '-c', 'tty; stty raw -echo; echo ready; exec sleep infinity', '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    child.stdin.on('error', () => {})
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => fail('it was not ready in time'), OPEN_LIMIT_MS)
      const fail = (why: string) => {
        clearTimeout(limit)
        child.kill('SIGKILL')
        reject(new Error(`no pseudo terminal: ${why}`))
      }
      let said = ''
      const listen = (bytes: Buffer) => {
        said += bytes.toString('latin1')
        const path = /^(\/dev\/\S+)[\s\S]*ready\r?\n/m.exec(said)?.[1]
        if (path === undefined) return
        clearTimeout(limit)
        child.stdout.off('data', listen)
        try {
          if (link !== undefined) symlinkSync(path, link)
        } catch (error) {
          child.kill('SIGKILL')
          reject(error)
          return
        }
        resolve(new Pty(child, path, link))
      }
      child.stdout.on('data', listen)
      child.once('error', error => fail(error.message))
      child.once('exit', code => fail(`script ended with ${code}`))
    })
  }

  /** Writes as the device; false where the reader is behind and the device should wait for {@link drained}. */
  write(bytes: Buffer | string): boolean {
    return this.#child.stdin?.write(bytes) ?? false
  }

  drained(): Promise<void> {
    return new Promise(resolve => this.#child.stdin?.once('drain', () => resolve()))
  }

  /** Calls with what is written to the port. */
  onBytes(call: (bytes: Buffer) => void): void {
    this.#readers.push(call)
  }

  /** Unplugs it: the port is gone. Resolves when the process is. */
  async close(): Promise<void> {
    if (this.#link !== undefined && leadsTo(this.#link) === this.path) rmSync(this.#link)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise<void>(resolve => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** A link to a terminal, as one that was killed leaves behind, is in the way; whatever else is there is somebody's: a file, a port, udev's link to one. */
function makeWayFor(link: string): void {
  if (!lstatSync(link, { throwIfNoEntry: false })) return
  if (!leadsTo(link)?.startsWith('/dev/pts/'))
    throw new HeadraceError('config_invalid', `${link} is there already, and is no link to a pseudo terminal`, {
      advice: 'Name another path with --link, or move it away.',
    })
  rmSync(link)
}

/** Where a link leads; undefined where there is none of that name, or something else. */
function leadsTo(link: string): string | undefined {
  return lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(link) : undefined
}
