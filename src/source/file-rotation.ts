import { constants } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { isCompressed } from './file-compressed.ts'
import { beginsAs, changedUsOf, type FilePlace, HEAD_BYTES, headOf, type OpenFile, withFile } from './file-place.ts'

/** What a file is called once it was put away, beside its name: a number, a date, or a word that is used for it. */
const ROTATED = /^[-._]?(\d[\d._:TZ+-]*|old|bak|prev|orig|~)$/
/** A number by which files are counted, the newest having the lowest; longer ones are dates. */
const COUNTED = /^\D?(\d{1,5})$/
/** Looks at a folder whose names keep moving, as they do while `.1` becomes `.2`, before the last of them is gone by. */
const LOOKS_MAX = 20

/** What compressing a file leaves of the time of its last change: some programs keep whole seconds. */
const KEPT_US = 1_000_000

/** A file beside the one that is followed, whose name begins as its does. */
interface Sibling {
  readonly path: string
  /** What was put to the name; undefined where that is none that rotation gives. */
  readonly suffix: string | undefined
  readonly inode: number
  readonly sizeBytes: number
  readonly changedUs: number
}

/** What is to be read before the file that has the name now. */
export interface PutAway {
  readonly path: string
  readonly inode: number
  /** Where to begin. */
  readonly offset: number
}

export interface Look {
  /** The next file that is to be read; undefined where there is none. */
  readonly next: PutAway | undefined
  /** Whether the file of the place is still there, under another name or as the copy that was made before it was emptied. */
  readonly isKnown: boolean
}

/**
 * Looks for what is to be read after a place and before `current`, which has the name now and was opened before this look. Where the file of the place is
 * there no more, all that was written to later than it counts as put away after it.
 *
 * Called again behind each file that it gives: names move while files are read. `endedInode`: of the compressed file that was read to its end last, since
 * nothing tells how much is in one.
 */
export async function nextPutAway(
  path: string,
  place: FilePlace,
  current: OpenFile | undefined,
  endedInode: number | undefined,
): Promise<Look> {
  const siblings = await settledSiblings(path)
  const own = await ownOf(siblings, place)
  const isKnown = own !== undefined
  const hasMore = own && (isCompressed(own.path) ? own.inode !== endedInode : own.sizeBytes > place.offset)
  if (hasMore) return { next: { ...own, offset: place.offset }, isKnown }
  const isEmptied = current?.place.inode === place.inode
  for (const each of own ? siblings.slice(siblings.indexOf(own) + 1) : siblings) {
    if (each.suffix === undefined || each.sizeBytes === 0) continue
    if (!isKnown && !(place.changedUs > 0 && each.changedUs > place.changedUs)) continue
    // A copy that has less than was read, made while it was still written to: all of it was read.
    if (!isKnown && isEmptied && (await isAlike(each, place))) continue
    if (current && (await isCurrent(each, current))) break
    return { next: { ...each, offset: 0 }, isKnown }
  }
  return { next: undefined, isKnown }
}

/** The file of a place, or the copy that was made of it: `copytruncate` makes one, and then empties the file itself. */
async function ownOf(siblings: readonly Sibling[], place: FilePlace): Promise<Sibling | undefined> {
  const mayHold = ({ path, sizeBytes }: Sibling) => isCompressed(path) || sizeBytes >= place.offset
  for (const each of siblings) {
    if (each.inode === place.inode && mayHold(each) && beginsAs(await headOfSibling(each, place.headBytes), place)) return each
  }
  for (const each of siblings) {
    const sinceUs = isCompressed(each.path) ? place.changedUs - (place.changedUs % KEPT_US) : place.changedUs
    const isLater = place.changedUs > 0 && each.changedUs >= sinceUs
    if (isLater && mayHold(each) && each.suffix !== undefined && (await isAlike(each, place))) return each
  }
  return undefined
}

/** Whether a file begins with the bytes that the place is known by; not where there are none. */
async function isAlike(sibling: Sibling, place: FilePlace): Promise<boolean> {
  return place.headBytes > 0 && beginsAs(await headOfSibling(sibling, place.headBytes), place)
}

/** Whether a file is the one that is followed next, put away by now, or a copy of it, which may still be in the making. */
async function isCurrent(sibling: Sibling, { handle, place, head }: OpenFile): Promise<boolean> {
  if (sibling.inode === place.inode) return true
  if (sibling.changedUs < place.changedUs) return false
  const ours = await headOfSibling(sibling, HEAD_BYTES)
  // It may have been empty when it was opened, and it may have been emptied since.
  return [head, await headOf(handle, HEAD_BYTES)].some(theirs => {
    const common = Math.min(ours.length, theirs.length)
    return common > 0 && ours.subarray(0, common).equals(theirs.subarray(0, common))
  })
}

/** Throws where another file has the name by now: then all has to be looked at again. */
function headOfSibling({ path, inode }: Sibling, bytes: number): Promise<Buffer> {
  return withFile(path, async handle => {
    if ((await handle.stat()).ino !== inode) throw new Error(`${path} was renamed while it was looked at`)
    return headOf(handle, bytes, isCompressed(path))
  })
}

/** The siblings, once two looks have seen the same: whoever moves many names one after the other could hide a file from a single one. */
async function settledSiblings(path: string): Promise<readonly Sibling[]> {
  let seen = await siblingsOf(path)
  for (let look = 1; look < LOOKS_MAX; look++) {
    const again = await siblingsOf(path)
    const isSame =
      again.length === seen.length && again.every(({ path, inode }, at) => seen[at]?.path === path && seen[at]?.inode === inode)
    seen = again
    if (isSame) break
  }
  return seen
}

/** What may have been put away of a file, by when it was written to last, the oldest first. */
async function siblingsOf(path: string): Promise<readonly Sibling[]> {
  const folder = dirname(path)
  const name = basename(path)
  const extension = extname(name)
  const stem = name.slice(0, name.length - extension.length)
  const siblings: Sibling[] = []
  // What this user may not see is nowhere for it; the doctor says so.
  const names = new Set(await readdir(folder).catch(unlessForbidden))
  for (const each of names) {
    if (each === name || !each.startsWith(stem)) continue
    const plain = isCompressed(each) ? each.slice(0, -'.gz'.length) : each
    // It is being compressed: until that has ended, and it is gone, the other is not whole.
    if (plain !== each && names.has(plain)) continue
    const between = plain.endsWith(extension) ? plain.slice(stem.length, plain.length - extension.length) : ''
    const suffix = [plain.startsWith(name) ? plain.slice(name.length) : '', between].find(text => ROTATED.test(text))
    const facts = await stat(join(folder, each)).catch(() => undefined)
    if (!facts?.isFile() || !(await mayRead(join(folder, each)))) continue
    siblings.push({ path: join(folder, each), suffix, inode: facts.ino, sizeBytes: facts.size, changedUs: changedUsOf(facts) })
  }
  return siblings.sort((a, b) => a.changedUs - b.changedUs || byName(a.suffix ?? '', b.suffix ?? ''))
}

function unlessForbidden(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code !== 'EACCES') throw error
  return []
}

async function mayRead(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  )
}

/** Of one moment, as small files are that were put away at once: what was counted higher is older, dates go up, and a word is oldest. */
function byName(a: string, b: string): number {
  const first = COUNTED.exec(a)?.[1]
  const second = COUNTED.exec(b)?.[1]
  if (first !== undefined && second !== undefined) return Number(second) - Number(first)
  const [early, late] = [a.replace(/\D/g, ''), b.replace(/\D/g, '')]
  return early < late ? -1 : early > late ? 1 : 0
}
