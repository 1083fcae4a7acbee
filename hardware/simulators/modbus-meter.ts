import { ServerTCP } from 'modbus-serial'
import { freePort } from './free-port.ts'
import type { Simulator } from './simulator.ts'

/** Input registers of an Eastron SDM120, as floats: address → value at a moment. */
const REGISTERS: ReadonlyMap<number, (second: number) => number> = new Map<number, (second: number) => number>([
  [0x0000, second => 230 + 2 * Math.sin(second / 7)],
  [0x0006, second => 4 + Math.sin(second / 3)],
  [0x000c, second => 920 + 230 * Math.sin(second / 3)],
  [0x0012, second => 950 + 230 * Math.sin(second / 3)],
  [0x0018, () => 120],
  [0x001e, () => 0.97],
  [0x0046, second => 50 + 0.02 * Math.sin(second)],
  [0x0048, second => 1_234.5 + second / 3_600],
  [0x004a, () => 0],
  [0x0156, second => 1_234.5 + second / 3_600],
])

/** An energy meter (Eastron SDM120) behind Modbus TCP, with registers that change. Unit 1 answers; others do not. */
export async function startModbusMeter(options: { port?: number } = {}): Promise<Simulator> {
  const port = options.port ?? (await freePort())
  const startedMs = performance.now()
  const word = (address: number) => registerWord(address, (performance.now() - startedMs) / 1_000)
  const server = new ServerTCP({ getInputRegister: word, getHoldingRegister: word }, { host: '127.0.0.1', port, unitID: 1 })
  server.on('socketError', () => {})
  server.on('serverError', () => {})
  await new Promise<void>(resolve => server.once('initialized', () => resolve()))
  return { path: `127.0.0.1:${port}`, stop: () => new Promise(resolve => server.close(() => resolve())) }
}

/** An input register of the meter at a moment: half of a float; 0 where it has none. */
export function registerWord(address: number, second: number): number {
  const float = REGISTERS.get(address) ?? REGISTERS.get(address - 1)
  if (!float) return 0
  const bytes = Buffer.alloc(4)
  bytes.writeFloatBE(float(second))
  return bytes.readUInt16BE(REGISTERS.has(address) ? 0 : 2)
}
