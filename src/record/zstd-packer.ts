import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib'
import { HeadraceError } from '../runtime/errors.ts'
import { ZSTD_PARAMS } from './compression.ts'

/*
  What lib/zlib.js of Node 24 does at each zstdCompressSync: it makes a stream with its listeners, a context of half a megabyte, which is made ready and freed
  again, and memory for what comes out, of which a third is used. Inside, one call does the work:
    _handle.writeSync(flush, in, inAt, inBytes, out, outAt, outBytes)   → _writeState: what is left of out, and of in
  After a frame has ended, libzstd begins the next with the same parameters (zstd.h, ZSTD_compressStream2).
*/
interface Inside {
  readonly _handle: {
    writeSync(flush: number, from: Buffer, at: number, bytes: number, into: Buffer, intoAt: number, intoBytes: number): void
    onerror: (message: string) => void
  }
  readonly _writeState: Uint32Array
}

/** The stream's own memory, which is not used: as little as it takes. */
const OWN_CHUNK_BYTES = 64
/** RFC 8878, section 3.1.1.2.4: no block holds more. */
const BLOCK_BYTES = 128 * 1024

/** Packs one frame after another with the same context, into the same memory: for who packs all day. What comes out is what `compress` makes of it. */
export class ZstdPacker {
  #stream: ZstdCompress | undefined
  #out = Buffer.alloc(0)
  #failure: string | undefined

  /** The frame, valid until the next call. */
  pack(bytes: Buffer): Buffer {
    this.#stream ??= this.#open()
    const { _handle: handle, _writeState: left } = this.#stream as unknown as Inside
    const bound = boundOf(bytes.length)
    if (this.#out.length < bound) this.#out = Buffer.allocUnsafeSlow(Math.max(bound, this.#out.length * 2))
    const out = this.#out
    // All at once into memory that is large enough whatever becomes of it: libzstd then keeps no copy of what goes in, nor of what comes out.
    handle.writeSync(constants.ZSTD_e_end, bytes, 0, bytes.length, out, 0, out.length)
    const [outLeft = 0, inLeft = 0] = left
    const failure = this.#failure ?? (inLeft > 0 ? `${inLeft} bytes are left` : undefined)
    if (failure !== undefined) {
      // What its context holds of this one must not get into the next.
      this.#stream.destroy()
      this.#stream = undefined
      throw new HeadraceError('internal', `zstd failed: ${failure}`)
    }
    return out.subarray(0, out.length - outLeft)
  }

  #open(): ZstdCompress {
    const stream = createZstdCompress({ params: ZSTD_PARAMS, chunkSize: OWN_CHUNK_BYTES })
    this.#failure = undefined
    ;(stream as unknown as Inside)._handle.onerror = message => {
      this.#failure = message
    }
    return stream
  }
}

/** zstd.h, ZSTD_COMPRESSBOUND: what a frame of so many bytes takes at the most. */
function boundOf(bytes: number): number {
  return bytes + (bytes >> 8) + (bytes < BLOCK_BYTES ? (BLOCK_BYTES - bytes) >> 11 : 0)
}
