import type { Extent } from './free-pages.ts'

/*
  Place: where in the file of blocks a block lies, in the order of its bytes
    place   = extent *( "," extent )
    extent  = page "+" pages             ; decimal, in pages of 4,096 bytes
*/
const EXTENT = /^(\d{1,15})\+([1-9]\d{0,14})$/

export function placeText(extents: readonly Extent[]): string {
  return extents.map(({ page, pages }) => `${page}+${pages}`).join(',')
}

/** Undefined where this is none. */
export function parsePlace(text: string): readonly Extent[] | undefined {
  const extents: Extent[] = []
  for (const part of text.split(',')) {
    const [, page, pages] = EXTENT.exec(part) ?? []
    if (page === undefined || pages === undefined) return undefined
    extents.push({ page: Number(page), pages: Number(pages) })
  }
  return extents
}
