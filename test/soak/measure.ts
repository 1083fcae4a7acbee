import { join } from 'node:path'
import type { Point } from '../../src/doctor/flatness.ts'
import { folderMib, sampleProcess } from '../../src/doctor/process-sample.ts'
import type { Figure } from '../../src/doctor/report.ts'
import type { SoakPlant } from './plant.ts'

const SAMPLE_EVERY_MS = 1_000

export type Measured = 'memory' | 'handles' | 'files' | 'load' | 'backlog'

/** Samples every process of the plant and the broker, once a second, by name. */
export class Measurements {
  readonly #plant: SoakPlant
  readonly #brokerPid: () => number | undefined
  readonly #startMs: number
  readonly #points: Readonly<Record<Measured, Map<string, Point[]>>> = {
    memory: new Map(),
    handles: new Map(),
    files: new Map(),
    load: new Map(),
    backlog: new Map(),
  }
  #timer: NodeJS.Timeout | undefined
  #settled: { atMs: number; records: number } | undefined
  #asking = false

  constructor(plant: SoakPlant, brokerPid: () => number | undefined, startMs: number) {
    this.#plant = plant
    this.#brokerPid = brokerPid
    this.#startMs = startMs
  }

  start(): void {
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  of(what: Measured): ReadonlyMap<string, readonly Point[]> {
    return this.#points[what]
  }

  figure(what: Measured, title: string, unit: string): Figure {
    return { title, unit, series: [...this.#points[what]].map(([name, points]) => ({ name, points })) }
  }

  async #sample(): Promise<void> {
    const { edge, cores, folder } = this.#plant
    const atMs = performance.now() - this.#startMs
    const add = (what: Measured, name: string, value: number, ms = atMs) => {
      const points = this.#points[what].get(name) ?? []
      this.#points[what].set(name, points)
      points.push([ms, value])
    }
    for (const process of [edge, ...cores]) {
      const sample = process.running && process.pid !== undefined ? sampleProcess(process.pid) : undefined
      if (sample) {
        add('memory', process.name, sample.rssMib)
        add('handles', process.name, sample.handles)
      }
      add('files', process.name, folderMib(join(folder, process.name)))
    }
    const pid = this.#brokerPid()
    const broker = pid === undefined ? undefined : sampleProcess(pid)
    if (broker) add('memory', 'broker', broker.rssMib)
    // One that is frozen answers when it wakes: once is enough.
    if (this.#asking) return
    this.#asking = true
    const status = await this.#plant.status()
    this.#asking = false
    if (!status) return
    const answeredMs = performance.now() - this.#startMs
    const settled = status.sources.reduce((sum, source) => sum + source.settled, 0)
    add(
      'backlog',
      'buffered on the gateway',
      status.sources.reduce((sum, source) => sum + source.buffered.records, 0),
      answeredMs,
    )
    const before = this.#settled
    this.#settled = { atMs: answeredMs, records: settled }
    if (before && answeredMs > before.atMs)
      add('load', 'settled', Math.max(0, ((settled - before.records) * 1_000) / (answeredMs - before.atMs)), answeredMs)
  }
}
