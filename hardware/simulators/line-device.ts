import { Pty } from './pty.ts'
import type { Simulator } from './simulator.ts'

/** One cycle of the compressor: it warms up, is too hot for a while, and cools down. */
const CYCLE_S = 30

/**
 * A compressor's controller on a serial port: CSV lines `suction_bar,discharge_bar,oil_c`, a few each second. Once in a cycle its oil gets hotter than
 * 90 °C.
 */
export async function startLineDevice(options: { link?: string; linesPerSecond: number }): Promise<Simulator> {
  const pty = await Pty.open(options.link)
  const startedMs = performance.now()
  const timer = setInterval(() => {
    pty.write(compressorLine((performance.now() - startedMs) / 1_000))
  }, 1_000 / options.linesPerSecond)
  return {
    path: pty.path,
    stop: async () => {
      clearInterval(timer)
      await pty.close()
    },
  }
}

/** The line of a moment. */
export function compressorLine(second: number): string {
  const swing = Math.sin((2 * Math.PI * second) / CYCLE_S)
  const suction = 2.1 + 0.1 * Math.sin(second)
  const discharge = 12.4 + 0.8 * swing
  const oil = 84 + 10 * swing + Math.random()
  return `${suction.toFixed(2)},${discharge.toFixed(2)},${oil.toFixed(1)}\r\n`
}
