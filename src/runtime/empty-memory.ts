import { systemFunction } from './system-function.ts'

type MallocTrim = (leftBytes: number) => number

/**
 * Gives memory back that the C library has got back and keeps: whole pages of it wherever they lie, malloc_trim(3). Bytes of records lie there, and without this what a burst of them took stays with
 * the process for as long as it lives. Some milliseconds, during which nothing else is allocated. Nothing where the C library has no such function.
 */
export async function giveEmptyMemoryBack(): Promise<void> {
  const trim = await systemFunction<MallocTrim>('int malloc_trim(size_t left_bytes)')
  trim?.(0)
}
