import type { Sample, Watch } from '../../src/analyser/analyser.ts'
import type { AnalyserDefinition } from '../../src/reader/realtime/definition.ts'
import { decodeEntry, encodeEntry, type StateEntry } from '../../src/reader/realtime/state-entry.ts'
import type { StateKeeper } from '../../src/reader/realtime/state-keeper.ts'
import { sourceKey } from '../../src/runtime/names.ts'

export const PUMP = { gateway: 'gw-1', source: 'pump' }
export const PUMP_KEY = sourceKey(PUMP)

/** A record of the pump, with its number as its time. */
export function sampleAt(sequence: number): Sample {
  return {
    source: PUMP,
    key: PUMP_KEY,
    sequence,
    timeMs: sequence,
    nowMs: sequence,
    fields: {},
    facts: {},
    value: null,
    gap: undefined,
  }
}

/** An analyser that says something at each record. */
export const chatty: AnalyserDefinition = {
  id: 'p.chatty',
  name: 'chatty',
  topic: 'p',
  sources: ['*'],
  per: 'source',
  fingerprint: 'f',
  sinks: ['p.chatty webhook'],
  open: ({ source }): Watch => ({
    sample: ({ sequence, timeMs }: Sample, out) =>
      out.alert({ key: `${sequence}`, analyser: 'chatty', source, state: 'noted', timeMs, message: 'so', values: {} }),
    tick: () => {},
    snapshot: () => null,
    restore: () => {},
  }),
}

/** Keeps in memory what outlives a crash; an append ends when the test says so. */
export class MemoryKeeper implements StateKeeper {
  entries: StateEntry[] = []
  isLong = false
  #whenAsked: () => void = () => {}

  /** Done while the next append is under way. */
  meanwhile(what: () => void): void {
    this.#whenAsked = what
  }

  async append(entries: readonly StateEntry[]): Promise<'kept'> {
    const what = this.#whenAsked
    this.#whenAsked = () => {}
    what()
    this.entries.push(...entries.map(entry => decodeEntry(encodeEntry(entry))))
    return 'kept'
  }

  async readBack(): Promise<readonly StateEntry[]> {
    return [...this.entries]
  }

  startAnew(): () => Promise<void> {
    const from = this.entries.length
    this.isLong = false
    return async () => void this.entries.splice(0, from)
  }
}
