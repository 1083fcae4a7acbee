import { createServer } from 'node:net'
import fc from 'fast-check'
import modbus from 'modbus-serial'
import rhea from 'rhea'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { AMQP_HEADER, COSTLY, costlyOpen, frame, HostilePeer } from './harness/hostile-peer.ts'
import { target } from './harness/target.ts'

/*
  What the harness has to find: each target is broken on purpose. The last ones are libraries as they come, without anything of ours before them.
*/

const input = fc.nat(1_000)
const TALK = Buffer.alloc(64 * 1024)
const kept: Buffer[] = []
let port = 0

async function openPlainRhea(): Promise<void> {
  const container = rhea.create_container({ id: 'plain' })
  for (const event of ['error', 'protocol_error', 'connection_error']) container.on(event, () => {})
  port = await freePort()
  container.listen({ port, host: '127.0.0.1' } as never)
}

async function sayToPlainRhea(...parts: readonly Buffer[]): Promise<void> {
  const peer = new HostilePeer(port)
  await peer.write(AMQP_HEADER, ...parts)
  await peer.gone
}

export const targets = [
  target({
    name: 'throws where nobody catches',
    input,
    async run(number) {
      if (number > 500)
        setImmediate(() => {
          throw new Error('planted')
        })
      await new Promise(resolve => setImmediate(resolve))
    },
  }),
  target({
    name: 'says something wrong',
    input,
    run(number) {
      if (number > 700) throw new Error('planted')
    },
  }),
  target({
    name: 'never ends',
    input,
    run(number) {
      for (let at = number; number > 500; at++) if (at < 0) return
    },
  }),
  target({
    name: 'keeps all it is given',
    input,
    run() {
      kept.push(Buffer.alloc(2 ** 20, 1))
    },
  }),
  target({
    name: 'plain rhea, and an array of values without bytes',
    input,
    open: openPlainRhea,
    run: () => sayToPlainRhea(costlyOpen(COSTLY['an array of four thousand million nulls'] as Buffer)),
  }),
  target({
    name: 'a plain library for Modbus, and a line on which others talk',
    input,
    async open() {
      const server = createServer(socket => {
        const talk = () => {
          while (socket.write(TALK));
        }
        socket.on('error', () => {})
        socket.on('drain', talk)
        talk()
      })
      port = await freePort()
      server.listen(port, '127.0.0.1')
      const client = new modbus.default()
      await client.connectTelnet('127.0.0.1', { port })
    },
    run: () => new Promise(resolve => setTimeout(resolve, 10)),
  }),
  target({
    name: 'plain rhea, and a disposition of all there can be',
    input,
    open: openPlainRhea,
    run: () =>
      sayToPlainRhea(
        frame('open', { container_id: 'hostile' }),
        frame('begin', { next_outgoing_id: 0, incoming_window: 100, outgoing_window: 100 }),
        frame('disposition', { role: true, first: 0, last: 4_294_967_295, settled: true }),
      ),
  }),
]
