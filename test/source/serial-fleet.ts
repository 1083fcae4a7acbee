import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pty } from '../../hardware/simulators/pty.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

const TICK_MS = 20

export interface FleetFigures {
  readonly sources: number
  readonly lines: number
  /** Sources whose records are not exactly the lines that their device wrote, in order. */
  readonly wrong: readonly string[]
  readonly seconds: number
  /** CPU of this process: the sources, and the devices' writing. */
  readonly cpuSeconds: number
}

/** So many serial devices on pseudo terminals, each of which writes so many lines a second for a time. */
export async function runFleet(options: { sources: number; linesPerSecond: number; seconds: number }): Promise<FleetFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-fleet-'))
  const bench = new Map<string, SourceBench>()
  const ptys: Pty[] = []
  try {
    for (let number = 0; number < options.sources; number++) {
      const name = `device-${number}`
      const pty = await Pty.open(join(folder, name))
      ptys.push(pty)
      const own = new SourceBench()
      bench.set(name, own)
      const runner = own.start('serial', { path: join(folder, name), baud: 115_200 }, { name })
      await until(`${name} is read`, () => runner.status().state === 'reading')
    }
    const cpu = process.cpuUsage()
    const startedMs = performance.now()
    const lines = options.linesPerSecond * options.seconds
    await writeLines(ptys, lines, options.linesPerSecond)
    await until('all lines', () => [...bench.values()].every(each => each.records.length >= lines), 60_000)
    const { user, system } = process.cpuUsage(cpu)
    const wrong = [...bench].filter(
      ([name, { texts }]) => texts.length !== lines || texts.some((text, n) => text !== lineOf(name, n)),
    )
    return {
      sources: options.sources,
      lines: lines * options.sources,
      wrong: wrong.map(([name]) => name),
      seconds: (performance.now() - startedMs) / 1_000,
      cpuSeconds: (user + system) / 1e6,
    }
  } finally {
    for (const each of bench.values()) await each.end()
    for (const pty of ptys) await pty.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function lineOf(name: string, number: number): string {
  return `${name},${number},21.5,1013.2,ok`
}

/** Lets each device write so many lines, all at the same rate; as adapters hand them on, several at once. */
export function writeLines(ptys: readonly Pty[], lines: number, linesPerSecond: number): Promise<void> {
  const startedMs = performance.now()
  let written = 0
  return new Promise(resolve => {
    const timer = setInterval(() => {
      const due = Math.min(lines, Math.floor(((performance.now() - startedMs) / 1_000) * linesPerSecond))
      for (const [index, pty] of ptys.entries()) {
        let text = ''
        for (let number = written; number < due; number++) text += `${lineOf(`device-${index}`, number)}\r\n`
        if (text !== '') pty.write(text)
      }
      written = due
      if (written < lines) return
      clearInterval(timer)
      resolve()
    }, TICK_MS)
  })
}
