import { z } from 'zod'
import { pause } from '../runtime/clock.ts'
import { HeadraceError, messageOf } from '../runtime/errors.ts'
import { readNamedFile } from '../runtime/named-file.ts'
import { PAYLOAD_BYTES_MAX, seedOf, writePayload } from './generator-payload.ts'
import { RoomLooks } from './room-looks.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

/** It looks so often at what is due, where records are more frequent than this; a slow one looks when its next record is, and now and then. */
const TICK_MS = 10
const LOOK_AT_LEAST_EVERY_MS = 60_000
/** How often a file that cannot be read is looked for, ms. */
const FILE_AGAIN_AFTER_MS = 500
/** Records made without a break, so that the rest of the process gets its turn. */
const BURST_RECORDS = 2_000

export const generatorOptions = z.strictObject({
  records_per_second: z.number().min(0).max(10_000_000).default(10).describe('How fast; 0 as fast as it can.'),
  count: z.int().min(0).optional().describe('How many records in all; it ends after them.'),
  payload: z
    .enum(['meter', 'random'])
    .default('meter')
    .describe('What each record is: a JSON reading of about 100 bytes, or bytes that do not compress.'),
  bytes: z.int().min(1).max(100_000).default(100).describe('Bytes of a random record.'),
  payload_file: z.string().optional().describe('A file whose lines are given in turn instead.'),
  seed: z.int().min(0).max(0xffffffff).default(1).describe('The same seed gives the same records.'),
  ahead: z.int().min(1).default(100_000).describe('It pauses while so many of its records are buffered and not yet in the log.'),
})
type Options = z.output<typeof generatorOptions>

/** Makes records by number. After a restart it goes on with the first that was not stored, as a device that can be asked again would. */
class GeneratorSource implements Source {
  readonly #options: Options
  readonly #context: SourceContext
  readonly #stopping = new AbortController()
  readonly #seed: number
  readonly #buffer: Buffer
  #file: { readonly part: Lines; release(): void } | undefined
  #looks: { readonly part: RoomLooks; release(): void } | undefined
  #loop: Promise<void> | undefined
  #paused: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(options: Options, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#seed = seedOf(options.seed, context.source.source)
    this.#buffer = Buffer.allocUnsafe(PAYLOAD_BYTES_MAX + options.bytes)
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    this.resume()
    await this.#loop
    this.#file?.release()
    this.#looks?.release()
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#paused?.resolve()
    this.#paused = undefined
  }

  #roomLooks(): RoomLooks {
    const { clock, shared } = this.#context
    this.#looks ??= shared.use('looks for room', () => new RoomLooks(clock))
    return this.#looks.part
  }

  /** Whether there is a reason to go on. */
  readonly #hasRoom = () => this.#stopping.signal.aborted || this.#context.recordsBuffered() < this.#options.ahead

  /** Resolves when its file, where it has one, could be read. */
  async #readFile(): Promise<void> {
    const { payload_file: path } = this.#options
    const { clock, shared, state } = this.#context
    const { signal } = this.#stopping
    while (path !== undefined && !this.#file && !signal.aborted) {
      try {
        this.#file = shared.use(`lines of ${path}`, () => linesOf(path))
      } catch (error) {
        state('waiting', messageOf(error))
        await pause(clock, FILE_AGAIN_AFTER_MS, signal).catch(() => {})
      }
    }
  }

  async #run(): Promise<void> {
    await this.#readFile()
    const { clock } = this.#context
    const { signal } = this.#stopping
    const { records_per_second: rate, count, ahead } = this.#options
    const first = this.#context.recordsStored()
    const startedMs = clock.monotonicMs()
    const last = count ?? Number.POSITIVE_INFINITY
    this.#context.state('reading')
    for (let number = first; number < last && !signal.aborted; ) {
      const due = rate === 0 ? number + BURST_RECORDS : first + Math.floor(((clock.monotonicMs() - startedMs) / 1_000) * rate)
      const room = ahead - this.#context.recordsBuffered()
      const to = Math.min(last, due, number + Math.min(BURST_RECORDS, Math.max(0, room)))
      // One look at the clock for a burst, which takes less than a millisecond.
      const timeMs = Math.floor(clock.wallMs())
      while (number < to && !this.#paused) this.#give(number++, timeMs)
      if (this.#paused) await this.#paused.promise
      else if ((number < due || rate === 0) && room > 0 && number < last)
        await new Promise<void>(resolve => setImmediate(resolve))
      else if (number < last && room <= 0) await this.#roomLooks().room(this.#hasRoom)
      else if (number < last) {
        const dueInMs = ((number + 1 - first) / rate) * 1_000 - (clock.monotonicMs() - startedMs)
        const waitMs = Math.min(LOOK_AT_LEAST_EVERY_MS, Math.max(TICK_MS, dueInMs))
        await pause(clock, waitMs, signal).catch(() => {})
      }
    }
    if (!signal.aborted) this.#context.state('stopped', 'all records were given')
  }

  #give(number: number, timeMs: number): void {
    const { payload, bytes } = this.#options
    const lines = this.#file?.part.lines
    const line = lines?.[(number + this.#seed) % lines.length]
    if (line) {
      this.#context.message(line, timeMs)
      return
    }
    const end = writePayload(payload, this.#seed, number, bytes, this.#buffer, 0)
    this.#context.message(this.#buffer.subarray(0, end), timeMs)
  }
}

interface Lines {
  readonly lines: readonly Buffer[]
  close(): void
}

function linesOf(path: string): Lines {
  const lines = readNamedFile('lines', path, 'source_failed')
    .split('\n')
    .filter(line => line !== '')
    .map(line => Buffer.from(line))
  if (lines.length === 0) throw new HeadraceError('source_failed', `${path} holds no line`)
  return { lines, close: () => {} }
}

/** Records out of nothing, for tests, demonstrations and benchmarks. */
export const generator = defineSource({
  kind: 'generator',
  summary: 'Makes records by itself, the same for the same seed.',
  options: generatorOptions,
  gives: 'messages',
  whenFull: 'block',
  within: (options, folder) => pathsWithin(options, folder, 'payload_file'),
  files: ({ payload_file: path }) => (path === undefined ? [] : [{ path, is: 'file' }]),
  rate: ({ records_per_second }) => records_per_second,
  open: (options, context) => new GeneratorSource(options, context),
})
