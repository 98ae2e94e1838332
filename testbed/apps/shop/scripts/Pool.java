// SPDX-License-Identifier: Apache-2.0

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A thread for each request, whose work is done by a cached pool: a request that finds no idle thread starts one, and that one
 * then takes the work of others, while the request still waits. Usage: Pool HOST PORT UPSTREAM_URL. GET /jobs/N asks the
 * upstream for /any/N.
 */
public final class Pool {
    public static void main(String[] args) throws IOException {
        ExecutorService pool = Executors.newCachedThreadPool();
        HttpServer server = HttpServer.create(new InetSocketAddress(args[0], Integer.parseInt(args[1])), 512);
        server.createContext("/jobs/", x -> {
            String path = x.getRequestURI().getPath();
            try {
                pool.submit(() -> ask(args[2] + "/any/" + path.substring("/jobs/".length()))).get();
                Thread.sleep(20);
            } catch (Exception e) {
                throw new IOException(e);
            }
            x.sendResponseHeaders(200, -1);
            x.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(64));
        server.start();
        System.out.println("listening " + args[0] + ":" + server.getAddress().getPort());
    }

    private static Void ask(String url) throws IOException {
        HttpURLConnection c = (HttpURLConnection) URI.create(url).toURL().openConnection();
        try (InputStream in = c.getInputStream()) {
            in.readAllBytes();
        }
        return null;
    }
}
