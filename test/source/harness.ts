import { VALUE_BYTES_MAX } from '../../src/buffer/source-buffer.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { decodeOptions } from '../../src/source/decode/options.ts'
import { timeOptions } from '../../src/source/device-time.ts'
import { frameOptions } from '../../src/source/framing/options.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'
import { SourceRunner } from '../../src/source/runner.ts'
import { SharedParts } from '../../src/source/shared-parts.ts'
import type { SourceKind } from '../../src/source/source.ts'
import { chosenSteps, stepsOptions } from '../../src/source/steps/options.ts'

export interface Taken {
  readonly text: string
  readonly timeMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly bookmark: string | null | undefined
}

/** A source that runs on a real device or a simulated one, with its records gathered in memory. */
export class SourceBench {
  readonly records: Taken[] = []
  readonly shared = new SharedParts()
  clock: Clock = systemClock
  readonly #running: SourceRunner[] = []
  /** While true the sink has no room. */
  full = false
  /** In [0, 1): just below 1, every wait between attempts is as short as it can be. */
  random: () => number = Math.random
  /** Of the newest record. */
  bookmark: string | undefined
  /** Resolves when what was taken is on disk. */
  stored: () => Promise<void> = async () => {}
  #roomCalls: (() => void)[] = []

  start(
    kindName: string | SourceKind,
    options: object,
    how: {
      frame?: object
      decode?: unknown
      time?: object
      steps?: object[]
      name?: string
      stored?: number
      bookmark?: string
      processFile?: string
    } = {},
  ): SourceRunner {
    const kind = typeof kindName === 'string' ? SOURCE_KINDS.find(each => each.kind === kindName) : kindName
    if (!kind) throw new Error(`no kind ${kindName}`)
    const runner = new SourceRunner({
      id: { gateway: 'gw-1', source: how.name ?? 'source-1' },
      kind,
      options: kind.options.parse(options),
      frame: how.frame === undefined ? undefined : frameOptions.parse(how.frame),
      decode: decodeOptions.parse(how.decode ?? 'raw'),
      time: how.time && timeOptions.parse(how.time),
      steps: chosenSteps(stepsOptions.parse(how.steps ?? [])),
      durabilityMs: () => 50,
      sink: {
        append: (timeMs, bytes, from, to, headers = [], bookmark = undefined) => {
          if (this.full) return 'full'
          if (to - from > VALUE_BYTES_MAX) return 'too_large'
          const names = Object.fromEntries(headers.map(({ key, value }) => [key, value.toString('utf8')]))
          this.records.push({ text: bytes.toString('latin1', from, to), timeMs, headers: names, bookmark })
          if (typeof bookmark === 'string') this.bookmark = bookmark
          return 'taken'
        },
        stored: () => this.stored(),
        bookmark: () => how.bookmark ?? this.bookmark,
        onRoom: call => this.#roomCalls.push(call),
        recordsStored: () => how.stored ?? 0,
        recordsBuffered: () => 0,
      },
      shared: this.shared,
      clock: this.clock,
      log: silentLogger,
      random: () => this.random(),
      ...(how.processFile !== undefined && { processFile: how.processFile }),
    })
    this.#running.push(runner)
    void runner.start()
    return runner
  }

  roomAgain(): void {
    this.full = false
    for (const call of this.#roomCalls.splice(0)) call()
  }

  get texts(): string[] {
    return this.records.map(({ text }) => text)
  }

  async end(): Promise<void> {
    for (const runner of this.#running) await runner.stop()
  }
}
