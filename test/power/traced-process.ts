import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { until } from '../support/until.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Calls that change files, make their changes durable, or tell somebody something. */
const TRACED = [
  'openat,open,creat,lseek,mmap',
  'write,pwrite64,writev,pwritev,pwritev2,sendmsg,sendto,ftruncate,truncate,fallocate,copy_file_range,sendfile',
  'fsync,fdatasync,sync_file_range,sync,syncfs,msync',
  'rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat',
].join(',')
const STRING_BYTES_MAX = 2 ** 24

/** A real `headrace` process under strace: all that it does to files is written to a trace, in the form that system-calls.ts reads. */
export class TracedProcess {
  readonly #tracer: ChildProcess
  readonly #trace: string
  readonly #endNow = () => this.#kill()

  constructor(options: { trace: string; log: string; args: readonly string[]; nodeArgs: readonly string[] }) {
    const { trace, log, args, nodeArgs } = options
    const form = ['-f', '-yy', '-xx', '-s', String(STRING_BYTES_MAX), '--seccomp-bpf']
    const filter = ['-e', `trace=${TRACED}`, '-e', 'signal=none', '-o', trace]
    const output = openSync(log, 'a')
    this.#trace = trace
    this.#tracer = spawn('strace', [...form, ...filter, process.execPath, ...nodeArgs, MAIN, ...args], {
      stdio: ['ignore', output, output],
      // Otherwise libuv may do some of its calls through a ring, which no trace shows.
      env: { ...process.env, UV_USE_IO_URING: '0' },
    })
    process.once('exit', this.#endNow)
  }

  /** SIGKILL; resolves when the process is gone and its trace is whole. */
  async kill9(): Promise<void> {
    const gone = this.#tracer.exitCode === null && this.#tracer.signalCode === null ? once(this.#tracer, 'exit') : undefined
    await until('the process is there', () => this.#pid)
    this.#kill()
    await gone
    process.removeListener('exit', this.#endNow)
  }

  /** Killing the tracer would let the process go on. */
  #kill(): void {
    const pid = this.#pid
    if (pid !== undefined && this.#tracer.exitCode === null) process.kill(pid, 'SIGKILL')
  }

  /** The first call is the main thread's. */
  get #pid(): number | undefined {
    const pid = /^\d+/.exec(readFileSync(this.#trace, 'latin1').slice(0, 32))?.[0]
    return pid === undefined ? undefined : Number(pid)
  }
}
