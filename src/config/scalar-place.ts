/** How a text stands in a YAML file. */
export type ScalarStyle = 'PLAIN' | 'QUOTE_DOUBLE' | 'QUOTE_SINGLE' | 'BLOCK_FOLDED' | 'BLOCK_LITERAL'

/** Characters of an escape sequence in double quotes, by its letter; two for all others (YAML 1.2, 5.7). */
const ESCAPE_LENGTHS: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 }

/**
 * Where a character of a text stands in the file that the text was read from: quotes, escapes, indentation and folded lines are more in the file
 * than in the text. `from` is where the scalar begins, its quote or block header included.
 */
export function placeInScalar(file: string, from: number, style: ScalarStyle, offset: number): number {
  if (style === 'BLOCK_FOLDED' || style === 'BLOCK_LITERAL') return placeInBlock(file, from, offset)
  const isQuoted = style !== 'PLAIN'
  let at = isQuoted ? from + 1 : from
  for (let passed = 0; passed < offset && at < file.length; ) {
    const fold = foldAt(file, at)
    if (fold) {
      passed += fold.characters
      at += fold.length
      continue
    }
    const isEscape = style === 'QUOTE_DOUBLE' && file[at] === '\\'
    const isDoubled = style === 'QUOTE_SINGLE' && file.startsWith("''", at)
    at += isEscape ? (ESCAPE_LENGTHS[file[at + 1] ?? ''] ?? 2) : isDoubled ? 2 : 1
    passed += 1
  }
  return at
}

/** A line break with the spaces around it: one space in the text, or the empty lines between. */
function foldAt(file: string, at: number): { length: number; characters: number } | undefined {
  const [space = ''] = /^[ \t]*(?:\r?\n[ \t]*)+/.exec(file.slice(at)) ?? []
  if (space === '') return undefined
  const breaks = space.split('\n').length - 1
  return { length: space.length, characters: Math.max(1, breaks - 1) }
}

/** Each line of a block is indented as its first is; the break between two is one character, kept or folded. */
function placeInBlock(file: string, from: number, offset: number): number {
  let at = file.indexOf('\n', from) + 1
  const indent = /^(?:[ \t]*\r?\n)*( *)/.exec(file.slice(at))?.[1]?.length ?? 0
  let left = offset
  for (;;) {
    const end = file.indexOf('\n', at)
    const length = Math.max(0, (end < 0 ? file.length : end) - at - indent)
    if (left <= length || end < 0) return at + indent + Math.min(left, length)
    left -= length + 1
    at = end + 1
  }
}
