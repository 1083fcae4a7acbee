import { type ChildProcess, spawn } from 'node:child_process'
import { z } from 'zod'
import { Backoff } from '../runtime/backoff.ts'
import { pause, type Timer } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { endOrphan, forgetProcess, keepProcess } from '../runtime/orphan.ts'
import { signalGroup } from '../runtime/process-group.ts'
import { duration } from '../runtime/units.ts'
import { whyNotStarted } from '../runtime/why-not-started.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

const AGAIN_AFTER = { firstMs: 250, maxMs: 60_000 }
/** A command that ran for so long was well: it is started again at once. */
const WELL_AFTER_MS = 30_000
/** How long a command may take to end when it is told to, ms. */
const END_LIMIT_MS = 2_000
/** Then it is made to; and after so long its output is let go of: what has left its group may hold it open for ever, ms. */
const LAST_WAIT_MS = 1_000
/** Of what it writes to standard error, the end that is kept for the message. */
const ERROR_TEXT_MAX = 400

export const execOptions = z
  .strictObject({
    command: z.array(z.string()).min(1).max(100).describe('The program and its arguments; no shell is in between.'),
    run: z
      .enum(['forever', 'once'])
      .default('forever')
      .describe('Whether it is started again when it has ended, sooner or later as it had done well or badly.'),
    every: duration({ min: '100ms', max: '365d' })
      .optional()
      .describe('It is started at this interval instead, and meant to end.'),
    folder: z.string().min(1).optional().describe("Where it runs; in the pipeline file's own folder, unless set."),
    environment: z.record(z.string().min(1), z.string()).default({}).describe('Variables beside those of this process.'),
  })
  .refine(options => options.every === undefined || options.run === 'forever', 'runs once or at intervals, not both')
export type ExecOptions = z.output<typeof execOptions>

/**
 * Reads what a command writes.
 *
 *   WAITING ──started──► READING ──ended──► WAITING (interval, or backoff) … ──once, or stop──► STOPPED
 *
 * It is a process group of its own, so that its children end with it.
 */
class ExecSource implements Source {
  readonly #options: ExecOptions
  readonly #context: SourceContext
  readonly #stopping = new AbortController()
  #child: ChildProcess | undefined
  #isPaused = false
  #loop: Promise<void> | undefined

  constructor(options: ExecOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.resume()
    const limit = this.#end()
    await this.#loop
    limit?.cancel()
  }

  pause(): void {
    this.#isPaused = true
    this.#child?.stdout?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#child?.stdout?.resume()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#context
    const { signal } = this.#stopping
    const { run, every } = this.#options
    const backoff = new Backoff(AGAIN_AFTER, random)
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs()
      // A command may run for as long as it likes.
      this.#context.turn()
      const failed = await this.#once().catch(messageOf)
      if (signal.aborted) return
      if (failed !== undefined) this.#context.trouble('the command failed')
      const lastedMs = clock.monotonicMs() - startedMs
      if (run === 'once') {
        this.#context.state('stopped', failed ?? 'the command has ended')
        return
      }
      if (failed !== undefined || every === undefined) this.#context.state('waiting', failed ?? 'the command has ended')
      if (lastedMs > WELL_AFTER_MS) backoff.reset()
      const waitMs = every === undefined ? backoff.nextMs() : Math.max(0, every - lastedMs)
      this.#context.turn(waitMs)
      await pause(clock, waitMs, signal).catch(() => {})
    }
  }

  /** One run; resolves with what went wrong when it is over and all of its output was read. */
  async #once(): Promise<string | undefined> {
    const file = this.#processFile
    // It may hold the device that the next one needs, and write to nobody.
    if (file !== undefined && (await endOrphan(file))) this.#context.trouble('a command had outlived its agent, and was ended')
    if (this.#stopping.signal.aborted) return undefined
    const said = await this.#toItsEnd()
    if (file !== undefined) forgetProcess(file)
    return said
  }

  /** Of a command that is meant to run for long; one that is started at intervals ends by itself, and would be a write to the disk each time. */
  get #processFile(): string | undefined {
    return this.#options.every === undefined ? this.#context.processFile : undefined
  }

  #keep(pid: number | undefined): void {
    const file = this.#processFile
    if (file === undefined || pid === undefined) return
    try {
      keepProcess(file, pid)
    } catch (error) {
      // A disk that is full keeps no command from being read.
      this.#context.trouble(`it could not be kept which process the command is: ${messageOf(error)}`)
    }
  }

  #toItsEnd(): Promise<string | undefined> {
    const { command, folder, environment } = this.#options
    const [program = '', ...args] = command
    const { clock } = this.#context
    const stream = this.#context.stream()
    let errorText = ''
    return new Promise(resolve => {
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
        env: { ...process.env, ...environment },
        ...(folder !== undefined && { cwd: folder }),
      })
      this.#child = child
      this.#keep(child.pid)
      this.#context.state('reading')
      child.stdout.on('data', (chunk: Buffer) => stream.bytes(chunk, clock.wallMs()))
      if (this.#isPaused) child.stdout.pause()
      child.stderr.on('data', (chunk: Buffer) => {
        errorText = (errorText + chunk.toString('utf8')).slice(-ERROR_TEXT_MAX)
      })
      child.once('error', error => {
        this.#child = undefined
        resolve(`it could not be started: ${whyNotStarted(program, folder ?? '.', error)}`)
      })
      child.once('close', (code, signalName) => {
        this.#child = undefined
        stream.ended()
        const said = errorText.trim() === '' ? '' : `: ${errorText.trim()}`
        resolve(code === 0 ? undefined : `${program} ended with ${code ?? signalName}${said}`)
      })
    })
  }

  /** Tells the command to end, and ends it when it does not. */
  #end(): Timer | undefined {
    const child = this.#child
    if (!child?.pid) return undefined
    signalGroup(child.pid, 'SIGTERM')
    const { clock } = this.#context
    let limit = clock.after(END_LIMIT_MS, () => {
      signalGroup(child.pid, 'SIGKILL')
      limit = clock.after(LAST_WAIT_MS, () => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      })
    })
    return { cancel: () => limit.cancel() }
  }
}

/** What a command writes to its standard output. */
export const exec = defineSource({
  kind: 'exec',
  summary: "Reads a command's standard output, in lines unless framed otherwise; once, for ever, or at an interval.",
  options: execOptions,
  gives: 'stream',
  whenFull: 'block',
  within: (options, folder) => pathsWithin({ folder: '.', ...options }, folder, 'folder'),
  open: (options, context) => new ExecSource(options, context),
})
