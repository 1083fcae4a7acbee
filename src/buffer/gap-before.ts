import { gapHeader, joinGaps, parseGap } from '../record/gap.ts'
import { type Gap, HEADER } from '../record/record.ts'
import { BlockBuilder, visitPlain } from './block-codec.ts'

/** The records of a block that is being filled, of which the first says what is missing before it, with room for `spareBytes` more. Takes what `filling` holds. */
export function withGapBefore(gap: Gap, filling: BlockBuilder, spareBytes: number): BlockBuilder {
  const { baseTimeMs } = filling
  const plain = filling.take()
  const builder = new BlockBuilder(plain.length + spareBytes)
  visitPlain(plain, baseTimeMs, (timeMs, bytes, from, to, headers) => {
    if (builder.count > 0) return builder.append(timeMs, bytes, from, to, headers)
    const own = headers.find(({ key }) => key === HEADER.gap)
    const joined = joinGaps(gap, own && parseGap(own.value)) ?? gap
    builder.append(timeMs, bytes, from, to, [...headers.filter(({ key }) => key !== HEADER.gap), gapHeader(joined)])
  })
  return builder
}
