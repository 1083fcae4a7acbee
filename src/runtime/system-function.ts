/**
 * A function of the system's C library, by its declaration in C; undefined on a machine for which the way to it is not built, which does without. `Call` has to be what the declaration says: nothing
 * checks it.
 */
export async function systemFunction<Call>(declaration: string): Promise<Call | undefined> {
  try {
    const { default: koffi } = await import('koffi')
    return koffi.load(null).func(declaration) as Call
  } catch {
    return undefined
  }
}
