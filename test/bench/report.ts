import { cpus, loadavg, release, totalmem } from 'node:os'
import { table } from '../../src/cli/output.ts'
import type { Curve, Figure, RowResult } from './row.ts'
import { scalingText } from './scaling.ts'
import { spreadOf } from './spread.ts'

export interface Machine {
  readonly cores: number
  readonly model: string
  readonly memoryGib: number
  readonly system: string
  readonly node: string
}

export interface BenchReport {
  readonly machine: Machine
  readonly from: string
  readonly to: string
  readonly quick: boolean
  readonly rows: readonly RowResult[]
}

export function describeMachine(): Machine {
  return {
    cores: cpus().length,
    model: cpus()[0]?.model ?? 'CPU',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()}`,
    node: process.version,
  }
}

export function machineText({ cores, model, memoryGib, system, node }: Machine): string {
  return `${cores} × ${model}, ${memoryGib} GiB, ${system}, Node ${node}`
}

export function loadNow(): number {
  return loadavg()[0] ?? Number.NaN
}

/** Whether others worked on the machine before the row began: what it measured is then too low. */
export function wasBusy({ load }: RowResult, { cores }: Machine): boolean {
  return load[0] > cores * 0.5
}

export function short(value: number): string {
  if (Number.isNaN(value)) return '–'
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}

/** Whether the aim is reached, by the median; undefined where there is none. */
export function isReached({ aim, values }: Figure): boolean | undefined {
  if (!aim) return undefined
  const { median } = spreadOf(values)
  return aim.better === 'above' ? median >= aim.value : median <= aim.value
}

export function aimText(figure: Figure): string {
  if (!figure.aim) return ''
  const { better, value } = figure.aim
  return `${better === 'above' ? 'over' : 'under'} ${short(value)}: ${isReached(figure) ? 'reached' : 'missed'}`
}

export function rowText(result: RowResult, machine: Machine): string {
  const busy = wasBusy(result, machine) ? ` (others worked too: load ${result.load[0].toFixed(1)} before)` : ''
  const head = `\n${result.row}: ${result.title}${busy}, ${result.seconds.toFixed(0)} s\n`
  if (result.absent !== undefined) return `${head}not here: ${result.absent}\n`
  if (result.failed !== undefined) return `${head}failed: ${result.failed}\n`
  const rows = result.figures.map(figure => {
    const { median, min, max } = spreadOf(figure.values)
    const spread = figure.values.length > 1 ? `${short(min)} … ${short(max)}` : ''
    return [figure.name, short(median), figure.unit, spread, aimText(figure)]
  })
  const figures = rows.length > 0 ? `${table(['figure', 'median', 'unit', 'min … max', 'aim'], rows)}\n` : ''
  return `${head}${figures}${curvesText(result.curves ?? [])}`
}

/** A table for each kind of size, and what the slopes say. */
function curvesText(curves: readonly Curve[]): string {
  const tables = [...Map.groupBy(curves, ({ x }) => x)].map(([x, of]) => {
    const sizes = [...new Set(of.flatMap(({ points }) => points.map(([size]) => size)))].sort((a, b) => a - b)
    const rows = of.map(({ name, unit, points }) => {
      const values = new Map(points)
      return [name, unit, ...sizes.map(size => short(values.get(size) ?? Number.NaN))]
    })
    return `${table([x, 'unit', ...sizes.map(size => size.toLocaleString('en'))], rows)}\n`
  })
  const lines = curves.map(scalingText).filter(line => line !== '')
  return `${tables.join('')}${lines.map(line => `${line}\n`).join('')}`
}
