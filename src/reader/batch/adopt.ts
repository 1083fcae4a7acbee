import type { Claim } from '../../log/log.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { sourceKey } from '../../runtime/names.ts'

/*
  Offsets in a file, as other tools leave them
    JSON   {"<gateway>/<source>": NEXT, …}
    CSV    topic,partition,NEXT                 what kafka-consumer-groups --reset-offsets --export prints
           group,topic,partition,NEXT           the same for several groups
  NEXT is the first record that has not been read.
*/

/** Reads offsets of a file, by source. Throws `config_invalid` with the line that is none. */
export function readOffsets(text: string, claims: readonly Claim[]): Map<string, number> {
  return text.trimStart().startsWith('{') ? fromJson(text) : fromCsv(text, claims)
}

function fromJson(text: string): Map<string, number> {
  let parsed: Record<string, unknown>
  try {
    parsed = JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new HeadraceError('config_invalid', 'the file begins as JSON does and is none', { cause })
  }
  return new Map(
    Object.entries(parsed).map(([source, next]) => {
      if (typeof next !== 'number' || !Number.isSafeInteger(next) || next < 0) throw wrong(`${source}: ${JSON.stringify(next)}`)
      return [source, next]
    }),
  )
}

function fromCsv(text: string, claims: readonly Claim[]): Map<string, number> {
  const sources = new Map(claims.map(claim => [`${claim.topic}\0${claim.partition}`, sourceKey(claim.source)]))
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '')
  return new Map(
    lines.flatMap((line, index) => {
      const cells = line.split(',').map(cell => cell.trim().replace(/^"(.*)"$/, '$1'))
      const [next = '', partition = '', topic = ''] = cells.toReversed()
      if (cells.length < 3 || cells.length > 4 || !/^\d{1,15}$/.test(next) || !/^\d{1,9}$/.test(partition))
        throw wrong(`line ${index + 1}: ${line.slice(0, 80)}`)
      const source = sources.get(`${topic}\0${Number(partition)}`)
      return source === undefined ? [] : [[source, Number(next)] as const]
    }),
  )
}

function wrong(what: string): HeadraceError {
  return new HeadraceError('config_invalid', `no offset: ${what}`, {
    advice: 'Lines are topic,partition,offset; or the file is JSON: {"<gateway>/<source>": offset}.',
  })
}
