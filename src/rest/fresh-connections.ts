import type { Server, Socket } from 'node:net';

/**
 * Connections on which nothing came yet, as browsers and balancers open them ahead. Node takes them
 * for busy: a server that stops would wait for them as for a request.
 */
export class FreshConnections {
  readonly #sockets = new Set<Socket>();
  #isStopping = false;

  constructor(server: Server) {
    server.on('connection', (socket) => this.#add(socket));
  }

  /** Cuts off those that there are, and that may still come. */
  cutOff(): void {
    this.#isStopping = true;
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  #add(socket: Socket): void {
    if (this.#isStopping) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
