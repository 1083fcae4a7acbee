import { Pty } from '../../hardware/simulators/pty.ts'
import { kindOf } from '../config/kind-of.ts'
import { loadPipelines } from '../config/load.ts'
import { systemClock } from '../runtime/clock.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { silentLogger } from '../runtime/logger.ts'
import type { CaptureItem } from '../source/capture.ts'
import { SourceRunner, type SourceStatus } from '../source/runner.ts'
import { SharedParts } from '../source/shared-parts.ts'
import { defineSource, type Source, type SourceContext } from '../source/source.ts'
import { chosenSteps } from '../source/steps/options.ts'
import type { CaptureFile } from './capture-file.ts'

/** How fast: 1 as it was, 0 as fast as it can be. */
export type Speed = number

export interface ReplayedRecord {
  readonly timeMs: number
  readonly value: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** Plays a capture in its own time, or faster. */
async function play(
  items: readonly CaptureItem[],
  speed: Speed,
  each: (item: CaptureItem) => void | Promise<void>,
): Promise<void> {
  const startMs = performance.now()
  for (const item of items) {
    const waitMs = speed === 0 ? 0 : item.at_ms / speed - (performance.now() - startMs)
    if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
    await each(item)
  }
}

/** Plays it out of a pseudo terminal, to whatever reads that. `onOpen` is told its path before it begins. */
export async function replayIntoPty(
  { items }: CaptureFile,
  options: { link?: string; speed: Speed; holdMs: number; onOpen: (path: string) => Promise<void> },
): Promise<void> {
  const pty = await Pty.open(options.link)
  try {
    await options.onOpen(options.link ?? pty.path)
    await play(items, options.speed, async item => {
      if ('base64' in item && !pty.write(Buffer.from(item.base64, 'base64'))) await pty.drained()
    })
    // Whoever reads may be behind, or not there yet: what is unread goes with the port.
    await new Promise(resolve => setTimeout(resolve, options.holdMs))
  } finally {
    await pty.close()
  }
}

/**
 * Plays it through the framing and decoding of a source of a pipeline file: each record as it would have been stored. `onSource` is told which it is
 * before it begins.
 */
export async function replayIntoPipeline(
  capture: CaptureFile,
  options: {
    file: string
    source?: string
    speed: Speed
    onSource: (name: string) => void
    onRecord: (record: ReplayedRecord) => void
  },
): Promise<SourceStatus> {
  const [name, config] = sourceFor(capture, options.file, options.source)
  options.onSource(name)
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const kind = defineSource<unknown>({
    kind: kindOf(config).kind.kind,
    summary: 'A capture.',
    options: kindOf(config).kind.options,
    gives: capture.head.gives,
    whenFull: 'block',
    open: (_options, context) => player(capture, options.speed, context, end),
  })
  const runner = new SourceRunner({
    id: { gateway: 'replay', source: name },
    kind,
    options: {},
    frame: config.frame,
    decode: config.decode ?? 'raw',
    time: config.time,
    steps: chosenSteps(config.steps),
    durabilityMs: () => 0,
    sink: {
      append: (timeMs, bytes, from, to, headers = []) => {
        const named = Object.fromEntries(headers.map(({ key, value }) => [key, value.toString('utf8')]))
        options.onRecord({ timeMs, value: Buffer.from(bytes.subarray(from, to)), headers: named })
        return 'taken'
      },
      bookmark: () => undefined,
      stored: async () => {},
      onRoom: () => {},
      recordsStored: () => 0,
      recordsBuffered: () => 0,
    },
    shared: new SharedParts(),
    clock: systemClock,
    log: silentLogger,
    random: Math.random,
  })
  await runner.start()
  await ended
  await runner.stop()
  return runner.status()
}

function player({ head, items }: CaptureFile, speed: Speed, context: SourceContext, end: () => void): Source {
  const startedMs = Date.parse(head.started)
  const each = (item: CaptureItem) => {
    const timeMs = Math.floor(startedMs + item.at_ms)
    if ('interrupted' in item) context.interrupted()
    else if ('lost_bytes' in item) context.trouble('bytes that the capture does not have')
    else if (!context.bytes(Buffer.from(item.base64, 'base64'), timeMs)) context.trouble('the buffer was full')
  }
  const eachMessage = (item: CaptureItem) => {
    if ('base64' in item) context.message(Buffer.from(item.base64, 'base64'), Math.floor(startedMs + item.at_ms))
  }
  const start = async () => {
    context.state('reading')
    void play(items, speed, head.gives === 'stream' ? each : eachMessage).finally(end)
  }
  return { start, stop: async () => {}, pause: () => {}, resume: () => {} }
}

/** The source that was named; else the one that the capture is of, or the only one that there is: who tries something out may call it as he likes. */
function sourceFor({ head }: CaptureFile, file: string, given: string | undefined) {
  const [pipeline] = loadPipelines([file])
  const sources = Object.entries(pipeline?.config.sources ?? {})
  const name = given ?? head.source.split('/').at(-1) ?? ''
  const only = given === undefined && sources.length === 1 ? sources[0] : undefined
  const found = sources.find(([each]) => each === name) ?? only
  if (found) return found
  throw new HeadraceError('not_found', `${file} has no source "${name}"`, {
    advice: `Name one with --source: ${sources.map(([each]) => each).join(', ')}.`,
  })
}
