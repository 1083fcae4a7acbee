import type { Connection, Message, Outcome, PeerError, Sender } from '../../src/amqp/amqp.ts'
import { PROPERTY, parseDataAddress } from '../../src/amqp/messages.ts'
import { readBatchHeader } from '../../src/record/batch-header.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** A leader remembers five; what is unsettled must be among them. */
const UNSETTLED_MAX = 5

interface OnItsWay {
  readonly sequence: number
  readonly count: number
}

/** Listens to what a gateway sends, over all its lives, and says where it breaks the protocol (docs/protocol.md, sections 3 to 5). */
export class WireWatch {
  readonly findings: string[] = []
  /** The number below which the gateway knows all of a source to be in the log: it may have been told so before a delivery was settled. */
  readonly #settled: (source: string) => number
  #session = 0
  /** By source, epoch and number: the CRC that those numbers went out with. */
  readonly #sent = new Map<string, number>()

  constructor(settled: (source: string) => number) {
    this.#settled = settled
  }

  /** The buffer of this gateway is another one from here on: it may know less than what was sent. */
  forget(): void {
    this.#sent.clear()
    this.#session = 0
  }

  over(connection: Connection, process: SimulatedProcess): Connection {
    return {
      identity: connection.identity,
      remote: connection.remote,
      closed: process.hears(connection.closed),
      openReceiver: options => process.hears(connection.openReceiver(options)),
      openSender: async options => {
        const sender = await process.hears(connection.openSender(options))
        const data = parseDataAddress(options.address ?? '')
        return data ? this.#watched(sender, data.session, process) : sender
      },
      close: error => connection.close(error),
      destroy: () => connection.destroy(),
    }
  }

  #watched(sender: Sender, session: number, process: SimulatedProcess): Sender {
    if (session <= this.#session) this.findings.push(`session ${session} was opened after session ${this.#session}`)
    this.#session = session
    const onTheirWay = new Map<string, OnItsWay[]>()
    return {
      address: sender.address,
      closed: sender.closed,
      get room() {
        return process.alive ? sender.room : 0
      },
      letGo: body => sender.letGo(body),
      onRoom: call => sender.onRoom(() => process.run(call)),
      close: () => sender.close(),
      send: (message, settled) => {
        if (!process.alive) return
        const back = this.#look(message, onTheirWay)
        sender.send(message, (outcome: Outcome, error?: PeerError) => {
          back()
          process.run(() => settled(outcome, error))
        })
      },
    }
  }

  /** Gives what is to be called when the message's outcome is known. */
  #look({ body, properties }: Message, all: Map<string, OnItsWay[]>): () => void {
    const source = String(properties[PROPERTY.source])
    const batch = { sequence: Number(properties[PROPERTY.sequence]), count: Number(properties[PROPERTY.count]) }
    const others = all.get(source) ?? []
    all.set(source, others)
    const last = others.at(-1)
    if (last && batch.sequence < last.sequence + last.count) {
      this.findings.push(`${source}: ${batch.sequence} was sent while ${last.sequence} was on its way`)
    }
    const unsettled = others.filter(({ sequence, count }) => sequence + count > this.#settled(source))
    if (unsettled.length >= UNSETTLED_MAX) this.findings.push(`${source}: more than ${UNSETTLED_MAX} batches were on their way`)
    this.#compare(source, batch, body)
    others.push(batch)
    return () => others.splice(others.indexOf(batch), 1)
  }

  /** The same numbers are the same bytes, or a placeholder of what is not kept any more. */
  #compare(source: string, { sequence }: OnItsWay, body: Buffer): void {
    const { crc, producerEpoch } = readBatchHeader(body)
    const key = `${source} ${producerEpoch} ${sequence}`
    const before = this.#sent.get(key)
    if (before !== undefined && before !== crc && decodeBatch(body).some(({ value }) => value !== null)) {
      this.findings.push(`${source}: number ${sequence} was sent again with other bytes`)
    }
    this.#sent.set(key, crc)
  }
}
