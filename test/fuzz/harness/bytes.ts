import fc from 'fast-check'

/** A change to valid bytes: where (a share of their length), and what. */
type Change =
  | { readonly kind: 'set' | 'insert'; readonly at: number; readonly byte: number }
  | { readonly kind: 'cut' | 'repeat' | 'remove'; readonly at: number; readonly length: number }
  | { readonly kind: 'number'; readonly at: number; readonly value: number }

const share = fc.double({ min: 0, max: 1, noNaN: true })
/** Numbers at which something turns over. */
const edge = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff)

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constantFrom('set' as const, 'insert' as const), at: share, byte: fc.nat(255) }),
  fc.record({
    kind: fc.constantFrom('cut' as const, 'repeat' as const, 'remove' as const),
    at: share,
    length: fc.integer({ min: 1, max: 64 }),
  }),
  fc.record({ kind: fc.constant('number' as const), at: share, value: edge }),
)

function apply(bytes: Buffer, { at: share, ...rest }: Change): Buffer {
  const at = Math.floor(share * bytes.length)
  const copy = Buffer.from(bytes)
  switch (rest.kind) {
    case 'set':
      copy[at] = rest.byte
      return copy
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([rest.byte]), bytes.subarray(at)])
    case 'cut':
      return copy.subarray(0, at)
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, at + rest.length), bytes.subarray(at)])
    case 'remove':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + rest.length)])
    case 'number':
      if (at + 4 <= copy.length) copy.writeUInt32BE(rest.value, at)
      return copy
  }
}

/** Valid bytes with up to six changes; none in one of seven. */
export function mutated(valid: readonly Buffer[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { maxLength: 6 }))
    .map(([bytes, changes]) => changes.reduce(apply, bytes))
}

/** Any bytes at all. */
export function anyBytes(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength, size: 'max' }).map(array => Buffer.from(array))
}

/** Where a stream is cut into pieces. */
export const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 })

export function inPieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const length of lengths) {
    if (at >= bytes.length) break
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  if (at < bytes.length) pieces.push(bytes.subarray(at))
  return pieces
}
