import type { Call } from './call-tree.ts'

const WIDTH = 1_200
const ROW = 17
/** Narrower, and nobody sees it. */
const WIDTH_MIN = 0.4
const LETTER_WIDTH = 6.3
const LETTERS_MIN = 3
const HEAD = 30

/** A call tree as a picture: as wide as it took time, what it called below it. Each box says in its title what it is. */
export function flameGraph(title: string, root: Call, unit: { readonly name: string; readonly perSecond: number }): string {
  const boxes: string[] = []
  let depthMax = 0
  const draw = (call: Call, x: number, depth: number): void => {
    const width = (call.totalUs / root.totalUs) * WIDTH
    if (width < WIDTH_MIN) return
    depthMax = Math.max(depthMax, depth)
    boxes.push(box(call, { x, width, depth }, root.totalUs, unit))
    let at = x
    for (const child of [...call.children.values()].sort((a, b) => b.totalUs - a.totalUs)) {
      draw(child, at, depth + 1)
      at += (child.totalUs / root.totalUs) * WIDTH
    }
  }
  draw(root, 0, 0)
  const height = HEAD + (depthMax + 1) * ROW + 6
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10.5">` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="6" y="19" font-size="13">${escapeXml(title)}</text>${boxes.join('\n')}</svg>\n`
  )
}

function box(
  call: Call,
  { x, width, depth }: { x: number; width: number; depth: number },
  allUs: number,
  unit: { readonly name: string; readonly perSecond: number },
): string {
  const share = ((100 * call.totalUs) / allUs).toFixed(1)
  const seconds = (call.totalUs / 1e6) * unit.perSecond
  const letters = Math.floor((width - 4) / LETTER_WIDTH)
  const text =
    letters < LETTERS_MIN
      ? ''
      : `<text x="${(x + 2).toFixed(1)}" y="${HEAD + depth * ROW + 12}">${escapeXml(call.name.slice(0, letters))}</text>`
  return (
    `<g><title>${escapeXml(`${call.name} ${call.where}`.trim())}: ${share} %, ${seconds.toFixed(3)} ${unit.name}</title>` +
    `<rect x="${x.toFixed(1)}" y="${HEAD + depth * ROW}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(call)}"/>${text}</g>`
  )
}

/** Ours, of a package, or of Node itself. */
function colourOf({ where, name }: Call): string {
  if (name.startsWith('(')) return '#d0d7de'
  if (where.startsWith('src/')) return '#ffb77c'
  return where.includes('node_modules') ? '#a5d6ff' : '#aceebb'
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, letter => `&#${letter.charCodeAt(0)};`)
}
