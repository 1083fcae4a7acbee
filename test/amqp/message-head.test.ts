import rhea from 'rhea'
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/amqp/amqp.ts'
import { checkMessage } from '../../src/amqp/encoded-values.ts'
import { MessageHeads } from '../../src/amqp/message-head.ts'
import { PROPERTY } from '../../src/amqp/messages.ts'

const BATCH: Message = {
  body: Buffer.from('a batch'),
  properties: {
    [PROPERTY.gateway]: 'plant-1',
    [PROPERTY.session]: 7,
    [PROPERTY.source]: 'pump-3',
    [PROPERTY.sequence]: 4_294_967_297,
    [PROPERTY.count]: 12,
  },
  durable: true,
}

/** What rhea, which is not ours, makes of it. */
function decoded(message: Message) {
  const whole = Buffer.concat([new MessageHeads().encode(message), message.body])
  checkMessage(whole)
  return rhea.message.decode(whole) as unknown as Record<string, unknown> & { body: { typecode: number; content: Buffer } }
}

describe('the head of a message', () => {
  test('of a batch is byte for byte what the standard says', () => {
    const head = new MessageHeads().encode({ ...BATCH, properties: { source: 'a', count: 3, sequence: 258 } })
    expect(head.toString('hex')).toBe(
      [
        '005370c00201', // header: a list of one value
        '41', // durable
        '005374c12b06', // application properties: a map of six values in 43 bytes, its count among them
        `a106${Buffer.from('source').toString('hex')}a10161`,
        `a105${Buffer.from('count').toString('hex')}7000000003`,
        `a108${Buffer.from('sequence').toString('hex')}800000000000000102`,
        '005375b000000007', // data: seven bytes follow
      ].join(''),
    )
  })

  test('says all that the message has, as a reader that is not ours understands it', () => {
    const { body, durable, application_properties: properties, ...rest } = decoded(BATCH)
    expect([body.typecode, body.content.toString(), durable]).toEqual([0x75, 'a batch', true])
    expect(properties).toEqual(BATCH.properties)
    expect(Object.keys(rest).filter(name => rest[name] !== undefined && typeof rest[name] !== 'function')).toEqual([])
  })

  test.each<[string, Partial<Message>]>([
    ['an address, and where to answer', { to: 'headrace/open', replyTo: 'temp:1', correlationId: 'open-17' }],
    ['only where to answer', { replyTo: 'temp:1' }],
    ['how long it is good', { ttlMs: 30_000, durable: false }],
    ['how long it is good, and that it is to be kept', { ttlMs: 4_294_967_295, durable: true }],
    ['nothing', { durable: false, properties: {} }],
    ['an empty body', { body: Buffer.alloc(0) }],
    ['a body of 70 kB', { body: Buffer.alloc(70_000, 5) }],
    ['text that takes more bytes than it has letters', { properties: { kind: 'Größe → 7 °C', sequence: 0 } }],
    ['text of 255 bytes', { to: 'x'.repeat(255) }],
    ['text of 256 bytes', { to: 'x'.repeat(256) }],
    ['text far longer than usual', { properties: { kind: 'ü'.repeat(5_000) }, correlationId: 'y'.repeat(900) }],
    ['a map of 255 bytes', { properties: { kind: 'x'.repeat(255 - 1 - 6 - 2) } }],
    ['a map of 256 bytes', { properties: { kind: 'x'.repeat(256 - 1 - 6 - 2) } }],
    ['the largest number', { properties: { session: Number.MAX_SAFE_INTEGER, count: 4_294_967_295 } }],
  ])('with %s', (_what, some) => {
    const message = { ...BATCH, ...some }
    const read = decoded(message)
    expect(read.body.content.equals(message.body)).toBe(true)
    expect(read.application_properties).toEqual(message.properties)
    const said = { to: read.to, replyTo: read.reply_to, correlationId: read.correlation_id, ttlMs: read.ttl }
    for (const name of ['to', 'replyTo', 'correlationId', 'ttlMs'] as const) expect(said[name] ?? undefined).toBe(message[name])
    expect(read.durable ?? false).toBe(message.durable ?? false)
  })

  test('is its own: the next one does not change it', () => {
    const heads = new MessageHeads()
    const first = heads.encode(BATCH)
    const before = first.toString('hex')
    heads.encode({ ...BATCH, properties: { source: 'another', kind: 'z'.repeat(2_000) } })
    expect(first.toString('hex')).toBe(before)
  })

  test.each([-1, 1.5, Number.NaN, 2 ** 53])('with %s for a number is refused', number => {
    expect(() => new MessageHeads().encode({ ...BATCH, properties: { sequence: number } })).toThrow()
  })
})
