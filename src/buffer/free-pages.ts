import { assert } from '../runtime/errors.ts'

/** Pages of a file that lie one behind the other. */
export interface Extent {
  readonly page: number
  readonly pages: number
}

/** Free runs that are looked at for one that is large enough; past that what is asked for is put together from several. */
const LOOKS_MAX = 1_000

/**
 * Which pages of a file are free. What is asked for is given where the last one ended, if it can be: a buffer forgets in about the order in which it wrote, so that
 * pages are used in turn, and runs stay long. Whatever is free can be given, in pieces where no run is long enough.
 */
export class FreePages {
  /** Sorted, and no two of them touch. */
  readonly #runs: Extent[] = []
  #pages: number
  #free = 0
  /** Where the search begins. */
  #from = 0

  /** `used`: what of the file is in use, in any order. Undefined where two of these share a page. */
  static of(used: readonly Extent[]): FreePages | undefined {
    const sorted = [...used].sort((a, b) => a.page - b.page)
    const free = new FreePages()
    for (const { page, pages } of sorted) {
      if (page < free.#pages) return undefined
      if (page > free.#pages) free.#add({ page: free.#pages, pages: page - free.#pages })
      free.#pages = page + pages
    }
    return free
  }

  private constructor() {
    this.#pages = 0
  }

  /** How large the file is, or has to become. */
  get pages(): number {
    return this.#pages
  }

  get free(): number {
    return this.#free
  }

  get used(): number {
    return this.#pages - this.#free
  }

  /** So many pages, that nobody else has; the file grows by `growthMax` at the most. Undefined where there are not so many. */
  take(pages: number, growthMax: number): readonly Extent[] | undefined {
    assert(pages > 0, 'no page is asked for')
    const at = this.#fitting(pages)
    if (at !== undefined) return [this.#cut(at, pages)]
    const grown = this.#grow(pages, growthMax)
    if (grown) return [grown]
    if (pages > this.#free + Math.max(0, growthMax)) return undefined
    return this.#gather(pages)
  }

  /** The file ends where the last page in use does. */
  trim(): void {
    const last = this.#runs.at(-1)
    if (!last || last.page + last.pages < this.#pages) return
    this.#runs.pop()
    this.#free -= last.pages
    this.#pages = last.page
  }

  /** They are free again. */
  give(extents: readonly Extent[]): void {
    for (const extent of extents) this.#add(extent)
  }

  /** The index of a run that is long enough, from where the last one was found, and then from the beginning. */
  #fitting(pages: number): number | undefined {
    if (pages > this.#free) return undefined
    const runs = this.#runs
    const first = this.#indexFrom(this.#from)
    for (let looks = 0; looks < Math.min(runs.length, LOOKS_MAX); looks++) {
      const at = (first + looks) % runs.length
      if ((runs[at]?.pages ?? 0) >= pages) return at
    }
    return undefined
  }

  /** The file's end, with what is free before it. */
  #grow(pages: number, growthMax: number): Extent | undefined {
    const last = this.#runs.at(-1)
    const tail = last && last.page + last.pages === this.#pages ? last.pages : 0
    const growth = pages - tail
    if (growth > growthMax) return undefined
    if (tail > 0) this.#cut(this.#runs.length - 1, tail)
    const page = this.#pages - tail
    this.#pages += growth
    this.#from = this.#pages
    return { page, pages }
  }

  #gather(pages: number): readonly Extent[] {
    const pieces: Extent[] = []
    let missing = pages
    while (missing > 0) {
      const run = this.#runs.at(-1)
      // What grows is at the end, behind whatever was free there.
      if (!run) {
        pieces.push({ page: this.#pages, pages: missing })
        this.#pages += missing
        return pieces
      }
      const piece = this.#cut(this.#runs.length - 1, Math.min(run.pages, missing))
      pieces.push(piece)
      missing -= piece.pages
    }
    return pieces
  }

  /** The first pages of a run. */
  #cut(at: number, pages: number): Extent {
    const run = this.#runs[at]
    assert(run !== undefined && run.pages >= pages, 'a run is shorter than what is taken of it')
    if (run.pages === pages) this.#runs.splice(at, 1)
    else this.#runs[at] = { page: run.page + pages, pages: run.pages - pages }
    this.#free -= pages
    this.#from = run.page + pages
    return { page: run.page, pages }
  }

  #add({ page, pages }: Extent): void {
    const at = this.#indexFrom(page)
    const before = this.#runs[at - 1]
    const after = this.#runs[at]
    const end = page + pages
    assert(
      (before === undefined || before.page + before.pages <= page) && (after === undefined || end <= after.page),
      'a page is free twice',
    )
    const touchesBefore = before !== undefined && before.page + before.pages === page
    const touchesAfter = after !== undefined && after.page === end
    const from = touchesBefore ? before.page : page
    const to = touchesAfter ? after.page + after.pages : end
    this.#runs.splice(touchesBefore ? at - 1 : at, Number(touchesBefore) + Number(touchesAfter), { page: from, pages: to - from })
    this.#free += pages
  }

  /** The index of the first run that begins at this page or behind it. */
  #indexFrom(page: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle]?.page ?? 0) < page) low = middle + 1
      else high = middle
    }
    return low
  }
}
