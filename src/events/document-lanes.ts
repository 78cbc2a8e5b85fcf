/** A piece of work on a document. */
export interface LaneTask {
  /** Of the document: what has the same is done one after the other. */
  readonly lane: string;
}

export interface LaneOptions<T> {
  /** Resolves when it is done; rejects where all is to end. */
  readonly work: (task: T) => Promise<void>;
  /** The most tasks that are not done. */
  readonly pendingMax: number;
  /** No task is begun after it aborts; what is not begun stays pending. */
  readonly signal: AbortSignal;
  /** A task was done. */
  readonly progress: (task: T) => void;
}

/**
 * Does tasks side by side, those of one document in their order. It knows what is not done.
 */
export class DocumentLanes<T extends LaneTask> {
  readonly #options: LaneOptions<T>;
  /** In the order in which they were added. */
  readonly #pending = new Set<T>();
  readonly #lanes = new Map<string, T[]>();
  readonly #failure = Promise.withResolvers<never>();
  #running = 0;
  #room: (() => void) | undefined;
  #ended: (() => void) | undefined;

  constructor(options: LaneOptions<T>) {
    this.#options = options;
    this.failed.catch(() => undefined); // NOTE: whoever waits for it is told; nobody need wait.
    options.signal.addEventListener('abort', () => this.#room?.(), { once: true });
  }

  /** Rejects with the first failure of a task. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** What is not done, in the order in which it was added. */
  get pending(): Iterable<T> {
    return this.#pending;
  }

  /** Resolves when it is taken. At most one caller at a time. */
  async add(task: T): Promise<void> {
    const { pendingMax, signal } = this.#options;
    while (this.#pending.size >= pendingMax && !signal.aborted)
      await new Promise<void>((resolve) => (this.#room = resolve));
    if (signal.aborted) return;
    this.#pending.add(task);
    const lane = this.#lanes.get(task.lane);
    if (lane !== undefined) lane.push(task);
    else {
      const tasks = [task];
      this.#lanes.set(task.lane, tasks);
      void this.#run(task.lane, tasks);
    }
  }

  /** After the abort: resolves when what was begun has ended. */
  async ended(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#ended = resolve));
  }

  async #run(lane: string, tasks: T[]): Promise<void> {
    const { work, signal, progress } = this.#options;
    this.#running += 1;
    try {
      for (let task = tasks[0]; task !== undefined && !signal.aborted; task = tasks[0]) {
        await work(task);
        tasks.shift();
        this.#pending.delete(task);
        this.#room?.();
        progress(task);
      }
    } catch (cause) {
      this.#failure.reject(cause);
    }
    this.#lanes.delete(lane);
    this.#running -= 1;
    if (this.#running === 0) this.#ended?.();
  }
}
