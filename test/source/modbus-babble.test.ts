import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { type BusLine, ModbusBus } from '../../src/source/modbus-bus.ts'
import { lineOf } from '../../src/source/modbus-line.ts'
import { until } from '../support/until.ts'

/** More than any answer, and soon said. */
const BABBLE = Buffer.alloc(64 * 1024, 0x55)
const REQUEST = { unit: 1, function: 'holding', address: 0, length: 2, timeoutMs: 40 } as const

/** Says what nobody asked for, and never ends a connection by itself. */
class Babbler {
  readonly open = new Set<Socket>()
  asked = 0
  readonly #server: Server

  private constructor(server: Server, babbles: boolean) {
    this.#server = server
    server.on('connection', socket => {
      this.open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.open.delete(socket))
      socket.on('data', () => {
        this.asked += 1
      })
      if (!babbles) return
      const babble = () => {
        while (socket.writable && socket.write(BABBLE));
      }
      socket.on('drain', babble)
      babble()
    })
  }

  static async start(babbles: boolean): Promise<Babbler> {
    const server = createServer({ allowHalfOpen: true })
    const babbler = new Babbler(server, babbles)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return babbler
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  /** Those that take what is said: of one that only ended its own side nothing else tells that it is still held. */
  heldOpen(): number {
    for (const socket of this.open) socket.write('\0')
    return this.open.size
  }

  async stop(): Promise<void> {
    for (const socket of this.open) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

let babbler: Babbler | undefined
let bus: ModbusBus | undefined
afterEach(async () => {
  bus?.close()
  await babbler?.stop()
})

const LINES: readonly (readonly [string, (address: string) => BusLine])[] = [
  ['Modbus TCP', tcp => lineOf({ tcp }, systemClock)],
  ['RTU over TCP', rtu_over_tcp => lineOf({ rtu_over_tcp }, systemClock)],
]

describe.each(LINES)('over %s', (_name, lineTo) => {
  test('a peer that neither answers nor goes has one connection, however often it is made anew', async () => {
    babbler = await Babbler.start(false)
    bus = new ModbusBus(lineTo(babbler.address), systemClock, () => 0)
    for (let round = 0; round < 8; round++) await expect(bus.read(REQUEST)).rejects.toMatchObject({ code: 'timeout' })
    expect(babbler.asked).toBeGreaterThanOrEqual(8)
    await until('those before are gone', () => (babbler?.heldOpen() ?? 0) <= 1)
    bus.close()
    await until('the last is gone', () => babbler?.heldOpen() === 0)
  })
})

test('what is said on RTU over TCP and is no answer is not kept', async () => {
  babbler = await Babbler.start(true)
  const { default: library } = await import('modbus-serial')
  const client = new library.default()
  client.on('error', () => {})
  await lineOf({ rtu_over_tcp: babbler.address }, systemClock).connect(client)
  const { _port: port } = client as unknown as { _port: { _buffer: Buffer; _client: Socket } }
  await until('it has said much', () => port._client.bytesRead > 4 * 2 ** 20)
  const held = port._buffer.length
  port._client.destroy()
  expect(held).toBeLessThanOrEqual(3 * BABBLE.length)
})
