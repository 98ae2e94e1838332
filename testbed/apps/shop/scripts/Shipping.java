// SPDX-License-Identifier: Apache-2.0

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.concurrent.Executors;

/**
 * The shop's shipping: a pool of threads, each of which serves a request from its head to its end and asks payment for the
 * receipt by itself. Usage: Shipping HOST PORT PAYMENT_URL. Shipments whose order ends with 7 are answered with 503.
 */
public final class Shipping {
    private final String payment;

    private Shipping(String payment) {
        this.payment = payment;
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(args[0], Integer.parseInt(args[1])), 512);
        Shipping shipping = new Shipping(args[2]);
        server.createContext("/quotes/", x -> answer(x, 200));
        server.createContext("/shipments/", shipping::ship);
        server.setExecutor(Executors.newFixedThreadPool(64));
        server.start();
        System.out.println("listening " + args[0] + ":" + server.getAddress().getPort());
    }

    private void ship(HttpExchange x) throws IOException {
        String path = x.getRequestURI().getPath();
        String number = path.substring(path.lastIndexOf('/') + 1);
        int paid = get(payment + "/receipts/" + number);
        answer(x, paid != 200 || number.endsWith("7") ? 503 : 200);
    }

    private static int get(String url) throws IOException {
        HttpURLConnection c = (HttpURLConnection) URI.create(url).toURL().openConnection();
        int status = c.getResponseCode();
        try (InputStream in = c.getInputStream()) {
            in.readAllBytes();
        }
        return status;
    }

    private static void answer(HttpExchange x, int status) throws IOException {
        byte[] body = "{}\n".getBytes();
        x.getRequestBody().readAllBytes();
        x.sendResponseHeaders(status, body.length);
        x.getResponseBody().write(body);
        x.close();
    }
}
