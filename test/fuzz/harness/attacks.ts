import { AMQP_HEADER, attach, begin, COSTLY, costlyOpen, open, SASL_HEADER, transfer } from './hostile-peer.ts'

const LINKED = [AMQP_HEADER, open(), begin(), attach({ handle: 0, name: 'a' })]
/** What a peer says before it falls silent: each keeps as much as it can for as long as it is let. */
export const ATTACKS: readonly (readonly Buffer[])[] = [
  ...Object.values(COSTLY).map(value => [AMQP_HEADER, costlyOpen(value)]),
  [AMQP_HEADER, Buffer.from([0x7f, 0xff, 0xff, 0xff, 2, 0, 0, 0])],
  [AMQP_HEADER, open(), Buffer.from([0, 1, 0xff, 0xff, 2, 0, 0, 0]), Buffer.alloc(120_000)],
  [SASL_HEADER],
  [...LINKED, transfer({ handle: 0, id: 0, more: true }, Buffer.alloc(60_000)), ...Array<Buffer>(60).fill(more(60_000))],
  [...LINKED, transfer({ handle: 0, id: 0, more: true }, Buffer.alloc(1)), ...Array<Buffer>(10_000).fill(more(1))],
  [AMQP_HEADER, open(), ...Array.from({ length: 255 }, (_, channel) => begin(channel))],
  [
    ...LINKED,
    ...Array.from({ length: 500 }, (_, handle) =>
      attach({ handle: handle + 1, name: `l${handle}`, address: null, receives: true }),
    ),
  ],
]

function more(bytes: number): Buffer {
  return transfer({ handle: 0, more: true }, Buffer.alloc(bytes))
}
